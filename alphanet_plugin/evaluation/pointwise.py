"""1x1 convolutions of 1x1 maps, as a squeeze-and-excitation or a head has them, in half the time."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F


@contextmanager
def pointwise_as_matmul(model: nn.Module) -> Iterator[None]:
    """Inside, on a CPU, these convolutions of `model` are matrix products: the same but for rounding.

    oneDNN lays a convolution's weights out anew in every call, which for one value a channel takes as long as the
    arithmetic (torch 2.15, AVX-512). Modules, weights and types stay what they are, and afterwards nothing is left.
    """
    convs = [module for module in model.modules() if _is_pointwise(module)]
    for conv in convs:
        conv.forward = partial(_forward, conv)
    try:
        yield
    finally:
        for conv in convs:
            del conv.forward


def _is_pointwise(module: nn.Module) -> bool:
    """Exactly torch's own: a subclass may compute something else."""
    if type(module) is not nn.Conv2d or "forward" in vars(module):
        return False
    ones = (1, 1)
    return module.kernel_size == module.stride == ones and module.groups == 1 and module.padding in ((0, 0), "valid")


def _forward(conv: nn.Conv2d, x: Tensor) -> Tensor:
    if x.ndim != 4 or x.shape[2:] != (1, 1) or x.device.type != "cpu":
        return conv._conv_forward(x, conv.weight, conv.bias)
    return F.linear(x.flatten(1), conv.weight.flatten(1), conv.bias)[:, :, None, None]
