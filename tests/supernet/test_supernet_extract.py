"""An arch of the supernet and its extracted subnet are one network, with two sets of weights."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from alphanet_plugin import get_space
from alphanet_plugin.models import alphanet_subnet
from alphanet_plugin.supernet import build_supernet

SPACE = get_space("attentive_nas", resolutions=(32, 40, 48, 56))
CLASSES = 7


def scrambled(model, seed=0):
    """No weight at a value that hides it: projections start with BatchNorm weight 0, statistics at 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if tensor.ndim > 1:
                noise = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
                tensor.copy_(noise * (2 / tensor[0].numel()) ** 0.5)
            elif tensor.ndim == 1:
                noise = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
                tensor.copy_(0.5 + noise if name.endswith(("weight", "var")) else noise - 0.5)
    return model


@pytest.fixture(scope="module")
def supernet():
    """Shared: a test that changes weights or modes works on a copy."""
    return scrambled(build_supernet(SPACE, num_classes=CLASSES).double())


def images(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_archs(count, seed=0):
    rng = np.random.default_rng(seed)
    return [SPACE.sample(rng) for _ in range(count)]


EVERY_KIND = [*random_archs(4), SPACE.smallest(), SPACE.largest()]


@pytest.mark.parametrize("arch", EVERY_KIND, ids=lambda arch: f"{SPACE.mflops(arch):.1f}M")
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_subnet_computes_what_the_supernet_does(supernet, arch, training):
    supernet.train(training)
    supernet.activate(arch)
    subnet = supernet.extract()
    assert subnet.training == training
    for module in subnet.modules():
        assert module.training == training
    x = images(3, 3, 45, 38)
    with torch.no_grad():
        logits, expected = supernet(x), subnet(x)
    # Random statistics let activations grow, and the two sum in another order: relative to the largest logit.
    assert (logits - expected).abs().max() < 1e-9 * expected.abs().max()


@pytest.mark.parametrize("arch", random_archs(2, seed=1), ids=lambda arch: f"{SPACE.mflops(arch):.1f}M")
def test_any_input_size_without_resizing(arch):
    net = build_supernet(SPACE, num_classes=CLASSES, resize_input=False, in_chans=1).double()
    scrambled(net).activate(arch)
    subnet = net.extract()
    for size in ((64, 64), (33, 47), (17, 32), (1, 1)):
        x = images(4, 1, *size)
        with torch.no_grad():
            torch.testing.assert_close(net(x), subnet(x), rtol=1e-9, atol=1e-9)


def test_input_is_resized_to_the_active_resolution(supernet):
    supernet.train()
    sizes = []
    hook = supernet.conv_stem.register_forward_pre_hook(lambda _, args: sizes.append(tuple(args[0].shape[-2:])))
    for arch in random_archs(3):
        supernet.activate(arch)
        with torch.no_grad():
            supernet(images(2, 3, 50, 44))
        assert sizes.pop() == (arch.resolution, arch.resolution)
    hook.remove()


def test_channels_last_changes_nothing(supernet):
    supernet.train()
    supernet.activate(EVERY_KIND[0])
    x = images(2, 3, 40, 40)
    last = copy.deepcopy(supernet).to(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(last(x.to(memory_format=torch.channels_last)), supernet(x), rtol=1e-9, atol=1e-9)
    subnet = last.extract()
    assert all(tensor.is_contiguous() for tensor in subnet.state_dict().values()), "safetensors wants contiguous ones"


@pytest.mark.parametrize("arch", EVERY_KIND, ids=lambda arch: f"{SPACE.mflops(arch):.1f}M")
def test_weights_are_copies(supernet, arch):
    supernet = copy.deepcopy(supernet)
    subnet = supernet.extract(arch)
    ours = {tensor.untyped_storage().data_ptr() for tensor in supernet.state_dict().values()}
    theirs = {tensor.untyped_storage().data_ptr() for tensor in subnet.state_dict().values()}
    assert not ours & theirs
    assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in subnet.state_dict().values()), (
        "a view of more than it shows would be saved whole"
    )

    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    for parameter in subnet.parameters():
        nn.init.zeros_(parameter)
    for name, tensor in supernet.state_dict().items():
        assert torch.equal(tensor, before[name]), name

    subnet = supernet.extract(arch)
    before = {name: tensor.clone() for name, tensor in subnet.state_dict().items()}
    for parameter in supernet.parameters():
        nn.init.zeros_(parameter)
    for name, tensor in subnet.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_extracting_does_not_activate(supernet):
    supernet.activate(SPACE.largest())
    supernet.extract(SPACE.smallest())
    assert supernet.active == SPACE.largest()


def test_extracted_subnet_is_the_timm_model(supernet):
    arch = EVERY_KIND[1]
    subnet = supernet.extract(arch)
    static = alphanet_subnet(arch=arch, num_classes=CLASSES, resize_input=True).double()
    assert type(subnet) is type(static)
    assert subnet.arch == arch
    assert subnet.pretrained_cfg["architecture"] == "alphanet_subnet"
    assert {name: tensor.shape for name, tensor in subnet.state_dict().items()} == {
        name: tensor.shape for name, tensor in static.state_dict().items()
    }
    assert all(parameter.requires_grad for parameter in subnet.parameters())
    assert all(tensor.device.type == "cpu" for tensor in subnet.state_dict().values())
    static.load_state_dict(subnet.state_dict())
    x = images(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(static.eval()(x), subnet.eval()(x))


@pytest.mark.parametrize("classes", [10, 1000])
def test_parameters_are_counted(classes):
    with torch.device("meta"):
        net = build_supernet(SPACE, num_classes=classes)
    for arch in EVERY_KIND:
        held = sum(parameter.numel() for parameter in net.build_static(arch).parameters())
        assert held == SPACE.params(arch, classes, idle_shortcuts=False)
        idle = sum(
            block.in_channels * block.out_channels
            for stage in SPACE.network(arch).stages
            for block in stage
            if block.in_channels == block.out_channels
        )
        assert held + idle == SPACE.params(arch, classes)


def test_names_are_those_of_the_largest_static_model_and_the_shortcuts_that_only_smaller_archs_need():
    with torch.device("meta"):
        net = build_supernet(SPACE, num_classes=CLASSES)
        static = alphanet_subnet(arch=SPACE.largest(), num_classes=CLASSES)
    ours = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    theirs = {name: tuple(tensor.shape) for name, tensor in static.state_dict().items()}
    choices = {gene.name: gene.choices for gene in SPACE.genes}
    widths = [choices[f"{part}.width"] for part in ("stem", "mb1", "mb2", "mb3", "mb4", "mb5", "mb6", "mb7")]
    surplus = {}
    for stage, (before, after) in enumerate(itertools.pairwise(widths)):
        largest_needs_none = before[-1] == after[-1]
        some_need_one = len(before) > 1 or len(after) > 1
        if largest_needs_none and some_need_one:
            surplus[f"blocks.{stage}.0.shortcut.conv.weight"] = (after[-1], before[-1], 1, 1)
    assert surplus, "the published space has one: the stem's 24 channels meet mb1's 24"
    assert ours == {**theirs, **surplus}


def test_gradients_are_those_of_the_subnet_and_nothing_else_has_any(supernet):
    supernet = copy.deepcopy(supernet).train()
    x = images(4, 3, 40, 40)
    for arch in random_archs(2, seed=3):
        supernet.zero_grad(set_to_none=True)
        subnet = supernet.extract(arch)
        supernet.activate(arch)
        supernet(x).square().mean().backward()
        subnet(x).square().mean().backward()
        theirs = {name: parameter.grad for name, parameter in subnet.named_parameters()}
        assert all(grad.count_nonzero() for grad in theirs.values())
        for name, parameter in supernet.named_parameters():
            if name not in theirs:
                assert parameter.grad is None or not parameter.grad.count_nonzero(), name
                continue
            expected = torch.zeros_like(parameter)
            place = tuple(
                slice((have - want) // 2 if dim >= 2 else 0, ((have - want) // 2 if dim >= 2 else 0) + want)
                for dim, (have, want) in enumerate(zip(parameter.shape, theirs[name].shape, strict=True))
            )
            expected[place] = theirs[name]
            torch.testing.assert_close(parameter.grad, expected, rtol=1e-7, atol=1e-10, msg=name)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "pickle"])
def test_copies_stand_alone(copied):
    net = scrambled(build_supernet(SPACE, num_classes=CLASSES, drop_path_rate=0.9, drop_rate=0.5))
    arch = random_archs(1)[0]
    net.activate(arch)
    other = copied(net)
    x = images(2, 3, 32, 32).float()
    assert other.active == arch
    with torch.no_grad():
        assert torch.equal(other(x), net(x))
        other.activate(SPACE.largest(), drop=True)
        assert net.active == arch
        assert torch.equal(net(x), net(x)), "the copy's drop paths act in the original"
        assert not torch.equal(other(x), other(x))
        for parameter in other.parameters():
            parameter.zero_()
    assert all(parameter.count_nonzero() for parameter in net.parameters())


def test_subnet_pickles_and_copies(supernet):
    supernet.eval()
    subnet = supernet.extract(EVERY_KIND[0])
    x = images(2, 3, 32, 32)
    for other in (pickle.loads(pickle.dumps(subnet)), copy.deepcopy(subnet)):
        assert other.arch == subnet.arch
        with torch.no_grad():
            assert torch.equal(other(x), subnet(x))
