"""The mobile inverted-bottleneck block of every space that is a table."""

from functools import lru_cache, partial
from typing import Any

import torch
from timm.layers import BatchNormAct2d, DropPath, SEModule, create_conv2d
from torch import nn
from torch.nn import functional as F

from ..spaces import BlockSpec

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "silu": nn.SiLU,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hard_swish": nn.Hardswish,
}


class Shortcut(nn.Module):
    """What is added to a block's output: the input, pooled where the block strides, projected where channels differ.

    Args:
        in_channels: Channels of the block's input.
        out_channels: Channels of its output.
        stride: 1 or 2. At 2 the input is averaged 2x2, padded by one pixel where its side is odd.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, device=None, dtype=None):
        super().__init__()
        self.stride = stride
        self.conv = nn.Identity()
        if in_channels != out_channels:
            self.conv = create_conv2d(in_channels, out_channels, 1, bias=False, device=device, dtype=dtype)

    def pool(self, x: torch.Tensor) -> torch.Tensor:
        """Halve the sides (rounding up) where the block strides."""
        if self.stride == 2:
            x = F.avg_pool2d(_pad_to_even(x), 2, stride=2)
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.pool(x))


def _pad_to_even(x: torch.Tensor) -> torch.Tensor:
    """A row of zeros above and a column at the left of features (B, C, H, W), each where that side is odd.

    Apart from the pooling and without a remainder: as `padding=H % 2` of the pooling, compilers would make a graph for
    every parity, and exporters could not follow a free size.
    """
    height, width = x.shape[2], x.shape[3]
    return F.pad(x, [(width + 1) // 2 * 2 - width, 0, (height + 1) // 2 * 2 - height, 0])


class MBConvBlock(nn.Module):
    """[1x1 expand, BN, act], depthwise, BN, act, [SE], 1x1 project, BN; plus `Shortcut`, with no activation after.

    A block that strides or changes its width has a shortcut only where the space's rule is to project (AttentiveNAS);
    where it is not, as in MobileNetV2 and V3, nothing is added to such a block's output.

    Args:
        spec: Shapes of the block.
        drop_path: Probability of dropping the block in training; only for a block whose shortcut is the identity.
        zero_init_last: Start with the projection's BatchNorm weight at 0, so that the block is its shortcut; ignored
            where it has none.
        norm_eps: What BatchNorm adds to the variance.
        dense: Do not stride where `spec` does: the output has the input's sides.
        dilation: Of the depthwise kernel.
    """

    def __init__(
        self,
        spec: BlockSpec,
        *,
        drop_path: float = 0.0,
        zero_init_last: bool = True,
        norm_eps: float = 1e-5,
        dense: bool = False,
        dilation: int = 1,
        device=None,
        dtype=None,
    ):
        super().__init__()
        stride = 1 if dense else spec.stride
        dd: dict[str, Any] = {"device": device, "dtype": dtype}
        conv = partial(create_conv2d, bias=False, **dd)
        norm_act = partial(BatchNormAct2d, act_layer=ACTIVATIONS[spec.act], eps=norm_eps, **dd)
        mid = spec.mid_channels

        self.conv_pw = conv(spec.in_channels, mid, 1) if spec.expands else nn.Identity()
        self.bn1 = norm_act(mid) if spec.expands else nn.Identity()
        self.conv_dw = conv(mid, mid, spec.kernel_size, stride=stride, dilation=dilation, depthwise=True)
        self.bn2 = norm_act(mid)
        self.se = nn.Identity()
        if spec.se_channels:
            self.se = SEModule(mid, rd_channels=spec.se_channels, act_layer=nn.ReLU, gate_layer="hard_sigmoid", **dd)
        self.conv_pwl = conv(mid, spec.out_channels, 1)
        self.bn3 = norm_act(spec.out_channels, apply_act=False)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()
        self.has_shortcut = spec.has_shortcut
        self.shortcut = nn.Identity()
        if spec.projects:
            self.shortcut = Shortcut(spec.in_channels, spec.out_channels, stride, **dd)
        if zero_init_last and self.has_shortcut:
            nn.init.zeros_(self.bn3.get_parameter("weight"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = self.shortcut(x)
        x = self.bn3(self.filter(self.conv_pw(x)))
        if self.has_shortcut:
            x = self.drop_path(x) + shortcut
        return x

    def filter(self, x: torch.Tensor) -> torch.Tensor:
        """What lies between the 1x1 convolution that expands (B, mid, H, W) and the last norm (B, out, H', W')."""
        return self.conv_pwl(self.se(self.bn2(self.conv_dw(self.bn1(x)))))


def build_block(spec: BlockSpec, *, device=None, **options: Any) -> MBConvBlock:
    """An `MBConvBlock`; on the meta device a copy of one made before, which takes a tenth of the time.

    A search extracts thousands of subnets, each from a static model on the meta device.
    """
    if device is None or torch.device(device).type != "meta":
        return MBConvBlock(spec, device=device, **options)
    return _copy(_meta_block(spec, **options))


@lru_cache(maxsize=1024)
def _meta_block(spec: BlockSpec, **options: Any) -> MBConvBlock:
    with torch.inference_mode(False):  # kept for those who come later and train
        return MBConvBlock(spec, device="meta", **options)


def _copy(module: Any) -> Any:
    """What `copy.deepcopy` gives for a module on the meta device whose attributes are plain values."""
    twin = module.__new__(type(module))
    for name, value in vars(module).items():
        vars(twin)[name] = value.copy() if isinstance(value, (dict, set, list)) else value
    for name, parameter in module._parameters.items():
        twin._parameters[name] = None if parameter is None else nn.Parameter(parameter.detach())
    for name, child in module._modules.items():
        twin._modules[name] = _copy(child)
    return twin
