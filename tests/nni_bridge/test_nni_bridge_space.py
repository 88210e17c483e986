"""Our space as NNI's: both faces, their weights, costs and serialised forms."""

import nni
import numpy as np
import pytest
import torch
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.profiler.pytorch.flops import FlopsParamsProfiler, FlopsProfiler, NumParamsProfiler
from nni.nas.space import SimplifiedModelSpace
from nni.nas.strategy import DARTS, RandomOneShot

from alphanet_plugin.models import MobileNetwork
from alphanet_plugin.nni_bridge import ElasticSpace
from alphanet_plugin.nni_bridge.nas.samples import arch_of, open_genes, sample_of
from alphanet_plugin.spaces import get_space

RESOLUTIONS = (16, 24)
SPACE = get_space("attentive_nas", resolutions=RESOLUTIONS)
ARCHS = [SPACE.smallest(), SPACE.presets["a4"], SPACE.sample(np.random.default_rng(0)), SPACE.largest()]


@pytest.fixture(scope="module")
def fast():
    return ElasticSpace(num_classes=10, resolutions=RESOLUTIONS, seed=0)


@pytest.fixture(scope="module")
def native():
    return ElasticSpace(num_classes=10, resolutions=RESOLUTIONS, face="native")


@pytest.fixture(params=["fast", "native"])
def space(request):
    return request.getfixturevalue(request.param)


def test_labels_are_the_genes(space):
    simplified = space.simplify()
    assert {label: tuple(choice.values) for label, choice in simplified.items()} == {
        gene.name: gene.choices for gene in open_genes(SPACE)
    }
    assert "resolution" in simplified


def test_samples_and_archs_are_the_same():
    for arch in ARCHS:
        assert arch_of(SPACE, sample_of(SPACE, arch)) == arch
    with pytest.raises(ValueError, match=r"no resolution, stem\.width"):
        arch_of(SPACE, {})


def test_random_and_frozen_are_static_timm_models(space):
    model = space.random()
    assert type(model) is MobileNetwork
    assert model.resize_input
    sample = sample_of(SPACE, ARCHS[2])
    frozen = space.freeze(sample)
    assert type(frozen) is MobileNetwork
    assert frozen.arch == ARCHS[2]
    assert frozen.num_classes == 10
    assert space(torch.randn(2, 3, 20, 20)).shape == (2, 10)


def test_contains(space):
    sample = sample_of(SPACE, ARCHS[1])
    assert space.contains(sample)
    assert not space.contains({**sample, "mb1.depth": 7})
    assert not space.contains({label: value for label, value in sample.items() if label != "resolution"})


def test_default_space_is_the_published_one():
    assert set(ElasticSpace(face="native").simplify()["resolution"].values) == {192, 224, 256, 288}


@pytest.mark.parametrize("arch", ARCHS, ids=["smallest", "a4", "random", "largest"])
def test_profilers_give_the_closed_form(space, arch):
    image = torch.randn(1, 3, 24, 24)
    sample = sample_of(SPACE, arch)
    both = FlopsParamsProfiler(space, image).profile(sample)
    held = sum(parameter.numel() for parameter in space.freeze(sample).parameters())
    assert both.params == NumParamsProfiler(space, image).profile(sample) == held
    assert both.flops == FlopsProfiler(space, image).profile(sample) == pytest.approx(SPACE.mflops(arch, 10) * 1e6)


def test_a_serialised_frozen_model_builds_the_same_network(space):
    sample = sample_of(SPACE, ARCHS[1])
    frozen = SimplifiedModelSpace.from_model(space, FunctionalEvaluator(len)).freeze(sample)
    loaded = nni.load(nni.dump(frozen))
    assert loaded.sample == sample
    model = loaded.executable_model()
    assert type(model) is MobileNetwork
    assert model.arch == ARCHS[1]
    assert model.num_classes == 10


def test_activating_an_arch_is_resampling_with_it(fast):
    images = torch.randn(4, 3, 24, 24)
    module = fast.network
    for arch in ARCHS:
        sample = sample_of(SPACE, arch)
        assert module.resample(memo=sample) == sample
        assert module.supernet.active == arch
        static = fast.freeze(sample)
        torch.testing.assert_close(fast(images), static(images), rtol=1e-4, atol=1e-4)


def test_what_a_memo_leaves_open_is_drawn_by_the_seed():
    first, second, other = (
        ElasticSpace(num_classes=10, resolutions=RESOLUTIONS, seed=seed).network for seed in (1, 1, 2)
    )
    memo = {"resolution": 24, "mb3.width": 40}
    drawn = [[module.resample(dict(memo)) for _ in range(3)] for module in (first, second, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(sample["mb3.width"] == 40 for sample in drawn[2])
    assert len({tuple(sample.values()) for sample in drawn[0]}) == 3


@pytest.mark.parametrize("face", ["fast", "native"])
def test_the_seed_fixes_the_weights_and_nothing_else(face):
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    first, second = (
        ElasticSpace(num_classes=10, resolutions=RESOLUTIONS, face=face, seed=1).state_dict() for _ in range(2)
    )
    assert torch.equal(torch.randn(3), expected)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_native_supernet_freezes_into_slices_of_its_weights():
    space = ElasticSpace(num_classes=10, resolutions=RESOLUTIONS, face="native")
    assert not space.network.is_shared
    RandomOneShot().mutate_model(space)
    assert space.network.is_shared
    images = torch.randn(4, 3, 24, 24)
    modules = [module for module in space.modules() if hasattr(module, "resample")]
    for arch in ARCHS:
        sample = sample_of(SPACE, arch)
        for module in modules:
            module.resample(memo=sample)
        torch.testing.assert_close(space(images), space.freeze(sample)(images), rtol=1e-4, atol=1e-4)


def test_native_and_fast_compute_the_same(fast):
    space = ElasticSpace(num_classes=10, resolutions=RESOLUTIONS, face="native")
    RandomOneShot().mutate_model(space)
    shared = fast.network.supernet.state_dict()
    with torch.no_grad():
        for name, tensor in space.network.shared_tensors().items():
            tensor.copy_(shared[name])
    sample = sample_of(SPACE, ARCHS[2])
    images = torch.randn(4, 3, 24, 24)
    torch.testing.assert_close(space.freeze(sample)(images), fast.freeze(sample)(images))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"face": "slow"}, ValueError, "face must be 'fast' or 'native'"),
        ({"resolutions": (24, 16)}, ValueError, "ascending"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        ElasticSpace(num_classes=10, **arguments)


def test_differentiable_strategies_are_sent_to_the_native_face(fast):
    with pytest.raises(TypeError, match="DARTS mixes NNI's own layers: build the space with face='native'"):
        DARTS().mutate_model(fast)


@pytest.mark.parametrize("name", ["us_mobilenet_v2", "ofa_mbv3", "ofa_proxyless", "ofa_mbv3_cifar"])
def test_any_space_of_ours_has_the_fast_face(name):
    # In float64: at 32 pixels the last stages normalise two values a channel, which amplifies the rounding of float32.
    elastic = ElasticSpace(name, num_classes=10, resolutions=(32,), seed=0).double()
    sample = {label: choice.values[0] for label, choice in elastic.simplify().items()}
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    elastic.network.resample(memo=sample)
    frozen = elastic.freeze(sample)
    torch.testing.assert_close(frozen.train()(images), elastic.network.supernet.train()(images), rtol=1e-9, atol=1e-9)
    with nni.nas.space.model_context(sample):
        again = ElasticSpace(name, num_classes=10, resolutions=(32,))
    assert type(again) is type(frozen)
    flops = FlopsProfiler(elastic, images[:1]).profile(sample)
    assert flops == elastic.space.mflops(arch_of(elastic.space, sample), 10) * 1e6
    with pytest.raises(ValueError, match=f"'native' is there for attentive_nas alone, not get_space.'{name}'"):
        ElasticSpace(name, face="native")


def test_labels_of_a_subspace_are_its_own():
    follow = {"expand_ratio": {"depth": [[2, 3], [3, 4], [4, 6]]}}
    subspace = {"name": "ofa_mbv3", "choices": {"kernel_size": [3]}, "follow": follow}
    elastic = ElasticSpace(subspace, num_classes=10, resolutions=(16, 32), seed=0)
    labels = {"resolution": (16, 32), **{f"mb{stage}.depth": (2, 3, 4) for stage in range(1, 6)}}
    assert {label: tuple(choice.values) for label, choice in elastic.simplify().items()} == labels
    frozen = elastic.freeze({label: values[1] for label, values in labels.items()})
    assert {block.conv_dw.kernel_size for stage in frozen.blocks[1:] for block in stage} == {(3, 3)}
    assert [len(stage) for stage in frozen.blocks] == [1, 3, 3, 3, 3, 3]
    assert frozen.blocks[2][1].conv_pw.out_channels == 4 * 40
    with pytest.raises(ValueError, match="'native' is there for attentive_nas alone"):
        ElasticSpace(elastic.space.to_config(), face="native")


def test_one_step_of_nnis_random_one_shot_over_once_for_all():
    elastic = ElasticSpace("ofa_mbv3", num_classes=10, resolutions=(16, 32), seed=0)
    RandomOneShot().mutate_model(elastic)
    optimizer = torch.optim.SGD(elastic.parameters(), lr=0.1)
    before = {name: tensor.clone() for name, tensor in elastic.named_parameters()}
    sample = elastic.network.resample({})
    elastic.train()(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    changed = {name.rpartition("blocks.")[2] for name, tensor in elastic.named_parameters()
               if not torch.equal(tensor, before[name])}  # fmt: skip
    depth = sample["mb2.depth"]
    assert [any(name.startswith(f"2.{block}.") for name in changed) for block in range(4)] == [
        block < depth for block in range(4)
    ]


def test_what_is_no_space_is_refused():
    with pytest.raises(ValueError, match=r"space takes a name, .*, not 10"):
        ElasticSpace(10)
    with pytest.raises(ValueError, match="did you mean 'attentive_nas'"):
        ElasticSpace("attentive_nass")
