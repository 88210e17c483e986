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
    convs = [module for module in model.modules() if type(module) is nn.Conv2d and _is_pointwise(module)]
    for conv in convs:
        conv.forward = partial(_forward, conv)
    try:
        yield
    finally:
        for conv in convs:
            del conv.forward


def _is_pointwise(conv: nn.Conv2d) -> bool:
    """Of torch's own class, since another may compute something else, and nobody else's forward."""
    plain = conv.kernel_size == conv.stride == (1, 1) and conv.groups == 1 and conv.padding in ((0, 0), "valid")
    return plain and "forward" not in vars(conv)


def _forward(conv: nn.Conv2d, input: Tensor) -> Tensor:
    if input.ndim != 4 or input.shape[2:] != (1, 1) or input.device.type != "cpu":
        return conv._conv_forward(input, conv.weight, conv.bias)
    return F.linear(input.flatten(1), conv.weight.flatten(1), conv.bias)[:, :, None, None]
