"""The whole list of what a first-class timm model answers, on small images. timm's own tests: tests/conformance."""

import copy
import io
import pickle

import pytest
import timm
import torch
from timm.layers import DropPath
from timm.models import get_notrace_functions, get_notrace_modules
from timm.optim import create_optimizer_v2
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from alphanet_plugin import get_space
from alphanet_plugin.models import MobileNetwork

SPACE = get_space("attentive_nas")
X = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
CHANNELS = {"alphanet_a0": [16, 24, 32, 112, 216], "alphanet_a6": [16, 24, 32, 112, 224]}
SIZES = [32, 16, 8, 4, 2]


def scrambled(model):
    """Blocks start as their shortcuts (BatchNorm weight 0); here every weight tells."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bn3.weight"):
                parameter.uniform_(0.5, 1.5)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
    return model


def create(name="alphanet_a0", **options):
    return scrambled(timm.create_model(name, **{"num_classes": 5, **options}))


@pytest.fixture(scope="module")
def model():
    """Shared: a test that changes it works on a copy."""
    return create().eval()


# -- head -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [0, 1, 12])
def test_num_classes(classes):
    model = timm.create_model("alphanet_a0", num_classes=classes, device="meta")
    x = X.to("meta")
    assert model(x).shape == (2, classes or model.head_hidden_size)
    assert model.num_classes == classes
    assert (model.num_features, model.head_hidden_size) == (6 * 216, 1792)


@pytest.mark.parametrize("channels", [1, 4])
def test_in_chans(channels):
    model = timm.create_model("alphanet_a0", in_chans=channels, device="meta")
    assert model.in_chans == channels
    assert model(torch.empty(2, channels, 32, 32, device="meta")).shape == (2, 1000)


def test_forward_is_features_then_head(model):
    with torch.no_grad():
        features = model.forward_features(X)
        assert features.shape == (2, model.num_features, 2, 2)
        assert torch.equal(model.forward_head(features), model(X))
        hidden = model.forward_head(features, pre_logits=True)
        assert hidden.shape == (2, model.head_hidden_size)
        assert torch.equal(model.get_classifier()(hidden), model(X))


@pytest.mark.parametrize("pool", ["avg", "max", "avgmax", "fast"])
def test_global_pool(pool):
    model = create(global_pool=pool).eval()
    with torch.no_grad():
        features = model.forward_features(X)
        pooled = {
            "avg": features.mean((2, 3)),
            "fast": features.mean((2, 3)),
            "max": features.amax((2, 3)),
            "avgmax": (features.mean((2, 3)) + features.amax((2, 3))) / 2,
        }[pool]
        hidden = torch.nn.functional.silu(model.conv_head(pooled[:, :, None, None])).flatten(1)
        torch.testing.assert_close(model(X), model.classifier(hidden))


def test_global_pool_none_stays_spatial(model):
    spatial = create(num_classes=0, global_pool="").eval()
    reset = copy.deepcopy(model)
    reset.reset_classifier(0, "")
    with torch.no_grad():
        assert spatial(X).shape == reset(X).shape == (2, 1792, 2, 2)


@pytest.mark.parametrize("error", [ValueError, AssertionError])
def test_pools_that_do_not_fit(model, error):
    with pytest.raises(error, match=r"global_pool must be .* 'catavgmax'"):
        timm.create_model("alphanet_a0", global_pool="catavgmax")
    with pytest.raises(error, match="goes with num_classes=0, not 3"):
        timm.create_model("alphanet_a0", num_classes=3, global_pool="")
    with pytest.raises(error, match="goes with num_classes=0, not 3"):
        copy.deepcopy(model).reset_classifier(3, "")


def test_reset_classifier_keeps_the_rest():
    model = create(global_pool="max", dtype=torch.float64).train()
    with torch.no_grad():
        hidden = model.eval().forward_head(model.forward_features(X.double()), pre_logits=True)
        model.reset_classifier(9)
        assert model(X.double()).shape == (2, 9)
        assert torch.equal(model.forward_head(model.forward_features(X.double()), pre_logits=True), hidden)
    assert model.classifier.weight.dtype == torch.float64
    assert not model.classifier.training
    model.reset_classifier(0)
    assert model(X.double()).shape == (2, 1792)
    model.reset_classifier(3, "avg")
    assert model(X.double()).shape == (2, 3)


# -- dropping ---------------------------------------------------------------------------------------------------------


def test_drop_rate():
    model = create(drop_rate=0.5)
    with torch.no_grad():
        hidden = model.forward_head(model.forward_features(X), pre_logits=True)
        assert 0.35 < (hidden == 0).float().mean() < 0.65
        assert torch.equal(model.eval()(X), model(X))


def test_drop_path_rate():
    rate = 0.3
    model = create("alphanet_a6", drop_path_rate=rate)
    rates = {
        name: block.drop_path.drop_prob for name, block in named_blocks(model) if isinstance(block.drop_path, DropPath)
    }
    names = [name for name, _ in named_blocks(model)]
    identities = [
        name
        for name, block in named_blocks(model)
        if name.startswith(("blocks.5.", "blocks.6."))
        and block.shortcut.stride == 1
        and not list(block.shortcut.parameters())
    ]
    assert identities == [f"blocks.5.{number}" for number in range(1, 6)]
    assert rates == {name: pytest.approx(rate * names.index(name) / len(names)) for name in identities}
    with torch.no_grad():
        assert not torch.equal(model(X), model(X))
        assert torch.equal(model.eval()(X), model(X))
    assert not any(isinstance(module, DropPath) for module in create("alphanet_a6").modules())


def named_blocks(model):
    return [(f"blocks.{i}.{j}", block) for i, stage in enumerate(model.blocks) for j, block in enumerate(stage)]


# -- features ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("feature_cls", ["list", "dict", "getter", "hook", "fx"])
def test_features_only(name, feature_cls):
    features = timm.create_model(name, features_only=True, feature_cls=feature_cls).eval()
    assert features.feature_info.channels() == CHANNELS[name]
    assert features.feature_info.reduction() == [2, 4, 8, 16, 32]
    with torch.no_grad():
        maps = features(X)
    maps = list(maps.values()) if isinstance(maps, dict) else maps
    assert [tuple(feature.shape) for feature in maps] == [
        (2, channels, size, size) for channels, size in zip(CHANNELS[name], SIZES, strict=True)
    ]


@pytest.mark.parametrize("indices", [(0,), (1, 3), (4,), (-1, -3), (2, 3, 4)], ids=str)
def test_features_only_at_chosen_levels(model, indices):
    expected = [
        model.forward_intermediates(X, intermediates_only=True)[index] for index in sorted(i % 5 for i in indices)
    ]
    features = timm.create_model("alphanet_a0", features_only=True, out_indices=indices).eval()
    missing, _ = features.load_state_dict(
        {name.replace(".", "_", 1) if name.startswith("blocks") else name: t for name, t in model.state_dict().items()},
        strict=False,
    )
    assert not missing
    with torch.no_grad():
        for found, wanted in zip(features(X), expected, strict=True):
            torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("size", [(64, 64), (33, 65), (97, 50)], ids=str)
def test_intermediates_of_any_size(model, size):
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        final, intermediates = model.forward_intermediates(x)
        assert torch.equal(final, model.forward_features(x))
    for level, feature in enumerate(intermediates, start=1):
        assert tuple(feature.shape[-2:]) == tuple(-(-side // 2**level) for side in size)


@pytest.mark.parametrize("indices", [None, 1, 3, [0], [1, 3], [-2]], ids=str)
def test_intermediates_at_chosen_levels(model, indices):
    with torch.no_grad():
        every = model.forward_intermediates(X, intermediates_only=True)
        chosen = {None: range(5), 1: [4], 3: [2, 3, 4]}.get(indices if not isinstance(indices, list) else -1, indices)
        for stop_early in (False, True):
            found = model.forward_intermediates(X, indices=indices, stop_early=stop_early, intermediates_only=True)
            assert len(found) == len(list(chosen))
            assert all(torch.equal(feature, every[index]) for feature, index in zip(found, chosen, strict=True))


def test_stopping_early_computes_no_more_than_asked(model):
    ran = []
    hooks = [
        stage.register_forward_hook(lambda *_, n=number: ran.append(n)) for number, stage in enumerate(model.blocks)
    ]
    with torch.no_grad():
        model.forward_intermediates(X, indices=[1], stop_early=True)
    for hook in hooks:
        hook.remove()
    assert ran == [0, 1]


def test_intermediates_are_nchw(model):
    with pytest.raises(ValueError, match="must be 'NCHW', not 'NLC'"):
        model.forward_intermediates(X, output_fmt="NLC")
    with pytest.raises(AssertionError, match="out of range"):
        model.forward_intermediates(X, indices=[5])


@pytest.mark.parametrize("level", range(5))
def test_prune_intermediate_layers(model, level):
    pruned = copy.deepcopy(model)
    assert pruned.prune_intermediate_layers([level]) == [level]
    with torch.no_grad():
        expected = model.forward_intermediates(X, intermediates_only=True)[level]
        assert torch.equal(pruned.forward_intermediates(X, [level], intermediates_only=True)[0], expected)
        assert torch.equal(pruned.forward_features(X), expected)
        assert torch.equal(pruned(X), expected)
        pruned.reset_classifier(0, "avg")
        torch.testing.assert_close(pruned(X), expected.mean((2, 3)))
        pruned.reset_classifier(4)
        assert pruned(X).shape == (2, 4)
    assert pruned.num_features == pruned.head_hidden_size == expected.shape[1]
    assert not [name for name, _ in pruned.named_parameters() if name.startswith(("conv_expand", "conv_head", "bn2"))]


def test_pruning_without_the_head_keeps_the_output(model):
    pruned = copy.deepcopy(model)
    pruned.prune_intermediate_layers([4], prune_head=False)
    with torch.no_grad():
        assert torch.equal(pruned(X), model(X))


# -- training ---------------------------------------------------------------------------------------------------------


def test_gradient_checkpointing():
    model = create()
    results = []
    for enable in (False, True):
        model.set_grad_checkpointing(enable)
        for run in (model, lambda x: model.forward_intermediates(x)[0].mean((2, 3))):
            model.zero_grad(set_to_none=True)
            out = run(X)
            out.square().sum().backward()
            results.append((out, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}))
    for plain, checkpointed in zip(results[:2], results[2:], strict=True):
        torch.testing.assert_close(checkpointed, plain)


@pytest.mark.parametrize("coarse", [False, True])
def test_group_matcher(model, coarse):
    groups = timm.models.group_parameters(model, model.group_matcher(coarse=coarse), reverse=True)
    names = [name for name, _ in model.named_parameters()]
    assert set(groups) == set(names)
    # in order of depth: the stem, each stage or block, and the head last
    assert len(set(groups.values())) == 2 + (7 if coarse else sum(len(stage) for stage in model.blocks))
    assert [groups[name] for name in names] == sorted(groups.values())
    assert groups["conv_stem.weight"] == groups["bn1.bias"] == 0


def test_layer_decay(model):
    optimizer = create_optimizer_v2(model, opt="sgd", lr=0.1, weight_decay=0.01, layer_decay=0.5)
    scale = {}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            scale[names[id(parameter)]] = group["lr_scale"]
            assert (group["weight_decay"] == 0) == (parameter.ndim <= 1)
    assert scale["conv_stem.weight"] < scale["blocks.0.0.conv_dw.weight"] < scale["blocks.6.0.conv_dw.weight"]
    assert scale["classifier.weight"] == 1.0
    assert model.no_weight_decay() == set()


def test_one_training_step_reaches_every_weight():
    model = create()
    model(X).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.count_nonzero(), name
    assert int(model.bn1.num_batches_tracked) == 1


def test_batch_of_one(model):
    with torch.no_grad():
        torch.testing.assert_close(model(X[:1]), model(X)[:1], rtol=1e-4, atol=1e-5)
        # Pooled features carry no BatchNorm, so training takes one image as long as maps have more than one pixel.
        assert copy.deepcopy(model).train()(X[:1]).shape == (1, 5)


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (31, 200)], ids=str)
def test_odd_inputs(model, size):
    with torch.no_grad():
        x = torch.randn(1, 3, *size)
        assert tuple(model.forward_features(x).shape[-2:]) == tuple(-(-side // 32) for side in size)
        assert model(x).isfinite().all()


# -- forms of a model -------------------------------------------------------------------------------------------------


def test_device_and_dtype_at_construction():
    model = create(device="meta", dtype=torch.float16, drop_path_rate=0.1)
    for name, tensor in model.state_dict().items():
        assert tensor.device.type == "meta", name
        assert tensor.dtype == (torch.int64 if name.endswith("tracked") else torch.float16), name
    assert create(dtype=torch.bfloat16)(X.bfloat16()).dtype == torch.bfloat16


def test_deepcopy_and_pickle(model):
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.arch == model.arch
        assert other.pretrained_cfg == model.pretrained_cfg
        with torch.no_grad():
            assert torch.equal(other(X), model(X))


@pytest.mark.parametrize("resize", [False, True])
def test_torchscript(resize):
    model = create(resize_input=resize, drop_rate=0.1, drop_path_rate=0.1).eval()
    scripted = torch.jit.script(model)
    buffer = io.BytesIO()
    torch.jit.save(scripted, buffer)
    buffer.seek(0)
    with torch.no_grad():
        for x in (X, torch.randn(1, 3, 45, 70)):
            torch.testing.assert_close(scripted(x), model(x))
        torch.testing.assert_close(torch.jit.load(buffer)(X), model(X))


def test_fx(model):
    tracer = {"leaf_modules": get_notrace_modules(), "autowrap_functions": get_notrace_functions()}
    last = get_graph_node_names(model, tracer_kwargs=tracer)[1][-1]
    traced = create_feature_extractor(model, [last], tracer_kwargs=tracer)
    with torch.no_grad():
        for x in (X, torch.randn(1, 3, 45, 70)):
            torch.testing.assert_close(traced(x)[last], model(x))


def test_export_with_any_batch(model):
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(model, (X,), dynamic_shapes=({0: batch},)).module()
    with torch.no_grad():
        for x in (X, torch.randn(5, 3, 64, 64)):
            torch.testing.assert_close(exported(x), model(x))


def test_traced_at_one_size_runs_at_another(model):
    traced = torch.jit.trace(model, X)
    x = torch.randn(1, 3, 45, 70)
    with torch.no_grad():
        torch.testing.assert_close(traced(x), model(x))


def test_channels_last(model):
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(last(X.to(memory_format=torch.channels_last)), model(X), rtol=1e-4, atol=1e-5)


def test_network_is_built_without_timms_factory():
    net = MobileNetwork(SPACE.presets["a0"], num_classes=2)
    assert net(X).shape == (2, 2)
