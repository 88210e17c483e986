"""The once-for-all supernets compute what the released program computes, given its weights: logits in float64."""

import copy

import once_for_all
import pytest
import torch
from once_for_all import FACTS, SPACES, arch_of, golden, images
from torch import nn

from alphanet_plugin import get_space
from alphanet_plugin.evaluation import recalibrate_bn
from alphanet_plugin.supernet import build_supernet, sort_channels
from alphanet_plugin.supernet.depthwise import centre, depthwise_conv
from alphanet_plugin.supernet.layers import KernelTransformConv2d
from alphanet_plugin.training import build_sgd
from alphanet_plugin.weights import read_supernet_checkpoint


@pytest.fixture(scope="module")
def supernets(tmp_path_factory):
    nets = {}
    for kind, space in SPACES.items():
        path = tmp_path_factory.mktemp("released") / kind
        torch.save({"state_dict": once_for_all.as_released(once_for_all.checkpoint(kind))}, path)
        nets[kind] = once_for_all.stand_in_supernet(kind, read_supernet_checkpoint(path, space=space))
    return nets


def cases(form):
    return [name for name in FACTS if name.startswith(f"{form}.")]


@pytest.mark.parametrize("name", cases("eval"))
def test_eval_logits(supernets, name):
    """Subnets are plain networks, with the kernel transform folded into their weights."""
    kind = name.split(".")[1]
    subnet = supernets[kind].extract(arch_of(kind, FACTS[name])).eval()
    assert {type(module) for module in subnet.modules() if isinstance(module, nn.Conv2d)} == {nn.Conv2d}
    assert sum(parameter.numel() for parameter in subnet.parameters()) == FACTS[name]["params"]
    with torch.no_grad():
        logits = subnet(images(1, 2, 224))
    expected = golden(name)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-6 * expected.abs().max().item())


@pytest.mark.parametrize("name", cases("train"))
def test_training_logits(supernets, name):
    facts = FACTS[name]
    net = supernets[facts["space"]].train()
    net.activate(arch_of(facts["space"], facts, facts["resolution"]))
    with torch.no_grad():
        logits = net(images(*facts["images"]))
    torch.testing.assert_close(logits, golden(name), rtol=0, atol=1e-6)


@pytest.mark.parametrize("rule", ["released", "cumulative"])
def test_recalibrated_logits(supernets, rule):
    """The space's own rule is once-for-all's; AlphaNet's has to be asked for."""
    (name,) = cases("recalibrated")
    facts = FACTS[name]
    subnet = supernets["mbv3"].extract(arch_of("mbv3", facts, facts["resolution"]))
    recalibrate_bn(
        subnet, [images(*batch) for batch in facts["calibration"]], None if rule == "released" else "cumulative"
    )
    with torch.no_grad():
        logits = subnet.eval()(images(*facts["images"]))
    torch.testing.assert_close(logits, golden(f"{name}.{rule}"), rtol=0, atol=1e-6)


@pytest.mark.parametrize("stage", [0, 1])
def test_sorted_logits(supernets, stage):
    net = copy.deepcopy(supernets["mbv3"]).eval()
    blocks = {1: net.blocks[1][0], 9: net.blocks[3][0]}
    before = {number: block.conv_pwl.weight.clone() for number, block in blocks.items()}
    sort_channels(net, stage)
    for number, block in blocks.items():
        order = golden(f"sorted.mbv3.stage{stage}.order.blocks.{number}").long()
        assert torch.equal(block.conv_pwl.weight, before[number][:, order])
    for name in cases(f"sorted.mbv3.stage{stage}"):
        facts = FACTS[name]
        with torch.no_grad():
            logits = net.extract(arch_of("mbv3", facts, 128))(images(*facts["images"]))
        expected = golden(name)
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-6 * expected.abs().max().item())


SMALL = get_space("ofa_mbv3", resolutions=(32,))


def test_momentum_follows_the_order():
    net = build_supernet(SMALL, num_classes=3, kernel_transform=True)
    optimizer = build_sgd(net, lr=0.1, momentum=0.9, weight_decay=0.0)
    for parameter in net.parameters():
        optimizer.state[parameter]["momentum_buffer"] = parameter.detach().clone()
    sort_channels(net, 0, optimizer)
    for name, parameter in net.named_parameters():
        assert torch.equal(optimizer.state[parameter]["momentum_buffer"], parameter), name
    with pytest.raises(ValueError, match=r"stage .* 0 to 2, not 3"):
        sort_channels(net, 3)


def test_the_transform_begins_as_the_centre_and_is_learnt():
    torch.manual_seed(0)
    plain = build_supernet(SMALL, num_classes=3, resize_input=False)
    net = build_supernet(SMALL, num_classes=3, resize_input=False, kernel_transform=True)
    net.load_state_dict(plain.state_dict())  # has no matrices, which then stay
    x = torch.randn(4, 3, 32, 32)
    for each in (plain, net):
        each.activate(SMALL.smallest())
    with torch.no_grad():
        torch.testing.assert_close(net(x), plain(x))
    net(x).square().mean().backward()
    of_blocks = dict(net.blocks[1][0].conv_dw.named_parameters())
    assert {name: tuple(of_blocks[name].shape) for name in of_blocks} == {
        "weight": (96, 1, 7, 7),
        "7to5_matrix": (25, 25),
        "5to3_matrix": (9, 9),
    }
    assert all(parameter.grad.count_nonzero() for parameter in of_blocks.values())
    assert isinstance(net.blocks[5][3].conv_dw, KernelTransformConv2d)
    assert type(net.blocks[0][0].conv_dw) is not KernelTransformConv2d


def test_initialisation_of_once_for_all():
    torch.manual_seed(0)
    net = build_supernet(SMALL, num_classes=3, init="he_fout")
    kernel = net.blocks[5][3].conv_dw.weight
    assert kernel.std().item() == pytest.approx((2 / (49 * len(kernel))) ** 0.5, rel=0.05)
    assert all(block.bn3.weight.eq(1).all() for stage in net.blocks for block in stage)
    with pytest.raises(ValueError, match="init must be 'torch' or 'he_fout', not 'he'"):
        build_supernet(SMALL, init="he")


def test_zero_initialisation_leaves_blocks_without_a_shortcut():
    net = build_supernet(SMALL, num_classes=3, zero_init_last=True)
    zero = [[bool(block.bn3.weight.eq(0).all()) for block in stage] for stage in net.blocks]
    assert zero == [[True], *([[False, True, True, True]] * 5)]


@pytest.mark.parametrize("side", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("kernel_size", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_of_kernels_wider_than_the_image(side, kernel_size, stride):
    generator = torch.Generator().manual_seed(side)
    x = torch.randn(2, 4, side, side, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 1, 7, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    ours = depthwise_conv(x, weight, kernel_size, stride)
    plain = torch.nn.functional.conv2d(x, centre(weight, kernel_size), None, stride, kernel_size // 2, groups=4)
    grad = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    for mine, expected in zip(*(torch.autograd.grad(out, (x, weight), grad) for out in (ours, plain)), strict=True):
        torch.testing.assert_close(mine, expected)
