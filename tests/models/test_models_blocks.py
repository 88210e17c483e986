"""The block of AttentiveNAS against its description, written out here with plain tensor operations."""

import pytest
import torch
from timm.layers import DropPath
from torch.nn import functional as F

from alphanet_plugin.models import MBConvBlock, Shortcut
from alphanet_plugin.spaces import BlockSpec


def spec(**changed):
    shapes = {
        "in_channels": 8, "mid_channels": 32, "out_channels": 16, "kernel_size": 5, "stride": 2, "se_channels": 8,
        "expands": True,
    }  # fmt: skip
    return BlockSpec(**{**shapes, **changed})


def scrambled(block):
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return block.double()


def norm(x, bn):
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    return (x - mean) / (var + 1e-5).sqrt() * bn.weight[:, None, None] + bn.bias[:, None, None]


def swish(x):
    return x * x.sigmoid()


def described(block, shapes, x):
    """`architecture.md` of the papers' network: expand, depthwise, squeeze and excite, project, add the shortcut."""
    y = x
    if shapes.expands:
        y = swish(norm(F.conv2d(y, block.conv_pw.weight), block.bn1))
    mid = shapes.mid_channels
    y = F.conv2d(y, block.conv_dw.weight, None, shapes.stride, shapes.kernel_size // 2, groups=mid)
    y = swish(norm(y, block.bn2))
    if shapes.se_channels:
        gate = y.mean((2, 3), keepdim=True)
        gate = F.conv2d(gate, block.se.fc1.weight, block.se.fc1.bias).relu()
        gate = F.conv2d(gate, block.se.fc2.weight, block.se.fc2.bias)
        y = y * F.relu6(gate + 3) / 6
    y = norm(F.conv2d(y, block.conv_pwl.weight), block.bn3)
    if shapes.stride == 2:
        x = F.avg_pool2d(x, 2, 2, padding=(x.shape[2] % 2, x.shape[3] % 2))
    if shapes.in_channels != shapes.out_channels:
        x = F.conv2d(x, block.shortcut.conv.weight)
    return x + y


@pytest.mark.parametrize("size", [(12, 12), (11, 14), (7, 7)], ids=str)
@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"se_channels": 0},
        {"stride": 1},
        {"stride": 1, "out_channels": 8, "kernel_size": 3},
        {"out_channels": 8},
        {"expands": False, "mid_channels": 8, "se_channels": 0, "stride": 1},
    ],
    ids=str,
)
def test_block_computes_its_description(changed, size):
    shapes = spec(**changed)
    block = scrambled(MBConvBlock(shapes))
    x = torch.randn(3, 8, *size, dtype=torch.float64)
    torch.testing.assert_close(block(x), described(block, shapes, x))


def test_a_fresh_block_is_its_shortcut():
    x = torch.randn(2, 8, 6, 6)
    block = MBConvBlock(spec(stride=1, out_channels=8))
    assert torch.equal(block(x), x)
    assert not torch.equal(MBConvBlock(spec(stride=1, out_channels=8), zero_init_last=False)(x), x)


def test_shortcut_halves_sides_as_the_strided_convolution_does():
    for height, width in ((8, 8), (9, 8), (9, 9), (1, 3)):
        x = torch.randn(1, 4, height, width)
        assert Shortcut(4, 4, 2)(x).shape == (1, 4, -(-height // 2), -(-width // 2))
    odd = Shortcut(1, 1, 2)(torch.ones(1, 1, 3, 3))
    # padded on both sides, padding counted as zeros, as in the released program
    torch.testing.assert_close(odd, torch.tensor([[[[0.25, 0.5], [0.5, 1.0]]]]))


def test_shortcut_projects_only_where_channels_differ():
    assert not list(Shortcut(4, 4, 2).parameters())
    assert [tuple(weight.shape) for weight in Shortcut(4, 6, 1).parameters()] == [(6, 4, 1, 1)]


def test_drop_path_is_there_only_with_a_rate():
    assert isinstance(MBConvBlock(spec(), drop_path=0.1).drop_path, DropPath)
    assert not isinstance(MBConvBlock(spec()).drop_path, DropPath)
