"""A model made ready for inference: BatchNorm folded into the convolutions before it, weights channels_last."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any, TypeVar

import torch
from timm.layers import BatchNormAct2d, Conv2dSame, SyncBatchNormAct, get_notrace_functions, get_notrace_modules
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

ModelT = TypeVar("ModelT", bound=nn.Module)

# Exactly these: a subclass (weight standardisation, a parametrised or elastic layer) may compute something else.
_CONVS: tuple[type, ...] = (nn.Conv2d, Conv2dSame)
_NORMS: tuple[type, ...] = (nn.BatchNorm2d, nn.SyncBatchNorm, BatchNormAct2d, SyncBatchNormAct)


def fuse(model: ModelT) -> ModelT:
    """A copy of a timm model that computes the same in less time: for inference, as it is in eval mode.

    Every BatchNorm that normalises by its running statistics and sees nothing but the output of one convolution, which
    nothing else sees, is folded into that convolution; its activation stays. A BatchNorm that does not fit that is left
    as it is. Weights are channels_last, and so is what the first convolution makes of an ordinary (NCHW) input: the
    caller need not convert images.

    Outputs differ from ``model.eval()`` by rounding: about 1e-6 of the largest logit in float32.

    Args:
        model: Any model that torch.fx can follow (AlphaNet's subnets and nearly all of timm's are), in either mode. It
            is left as it is. Its device, dtype, classifier and the rest of timm's interface are kept. A model that was
            fused before has nothing left to fold.

    Returns:
        The copy, in eval mode. It has no BatchNorm to train or to recalibrate, and its state dict is not the model's:
        save the model, not this.

    Raises:
        ValueError: torch.fx cannot follow the model's forward.
    """
    fused = copy.deepcopy(model).eval()
    modules: dict[str, nn.Module] = dict(fused.named_modules())
    with torch.no_grad():
        for conv_name, norm_name in _find_pairs(fused):
            norm: Any = modules[norm_name]
            conv: Any = modules[conv_name]
            fused.set_submodule(conv_name, fuse_conv_bn_eval(conv, norm))
            fused.set_submodule(norm_name, getattr(norm, "act", nn.Identity()))
    return fused.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


class _Tracer(fx.Tracer):
    """Follows a forward down to convolutions, norms, and what timm says cannot be followed."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=tuple(get_notrace_functions()))
        self._leaves = (*_CONVS, *_NORMS, *get_notrace_modules())

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, self._leaves) or super().is_leaf_module(m, module_qualified_name)


def _find_pairs(model: nn.Module) -> list[tuple[str, str]]:
    """Names of each convolution and of the BatchNorm to fold into it."""
    followed = copy.deepcopy(model)  # tracing may leave proxies in what a forward keeps
    graph = _trace(followed)
    modules = dict(followed.named_modules(remove_duplicate=False))
    calls = Counter(id(modules[str(node.target)]) for node in graph.nodes if node.op == "call_module")
    pairs = []
    for node in graph.nodes:
        conv = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(conv, fx.Node) or conv.op != "call_module" or len(conv.users) != 1:
            continue
        pair = modules[str(conv.target)], modules[str(node.target)]
        if _fits(*pair) and all(calls[id(module)] == 1 for module in pair):
            pairs.append((str(conv.target), str(node.target)))
    return pairs


def _trace(model: nn.Module) -> fx.Graph:
    try:
        return _Tracer().trace(model)
    except Exception as error:  # whatever a forward does with proxies it did not expect
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"torch.fx cannot follow the forward of {type(model).__name__} to fold its BatchNorm ({reason}); use it as "
            "it is, in eval mode and with .to(memory_format=torch.channels_last); of a supernet, extract a subnet first"
        ) from error


def _fits(conv: nn.Module, norm: nn.Module) -> bool:
    """Whether the two are of kinds that fold, without hooks that would see the difference."""
    if type(conv) not in _CONVS or type(norm) not in _NORMS or norm.running_mean is None:
        return False
    return not any(module._forward_hooks or module._forward_pre_hooks for module in (conv, norm))
