"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from timm.optim import create_optimizer_v2, list_optimizers, param_groups_weight_decay
from torch import nn

from ..nearest import did_you_mean


def build_optimizer(
    model: nn.Module,
    name: str = "sgd",
    *,
    lr: float,
    momentum: float,
    weight_decay: float,
    arguments: Mapping[str, Any] | None = None,
) -> torch.optim.Optimizer:
    """``sgd`` for `build_sgd`, or another of timm's; weight decay as there.

    Args:
        model: Whose parameters.
        name: One of `timm.optim.list_optimizers()`; ``rmsproptf`` adds eps inside the root, as BigNAS's does.
        lr: The learning rate.
        momentum: Where the optimiser has one.
        weight_decay: On convolution and linear weights.
        arguments: What else it takes.

    Raises:
        ValueError: There is no such optimiser, or it does not take an argument.
    """
    if name == "sgd" and not arguments:
        return build_sgd(model, lr=lr, momentum=momentum, weight_decay=weight_decay)
    groups = param_groups_weight_decay(model, weight_decay)
    return timm_optimizer(groups, name, arguments, lr=lr, weight_decay=0.0, momentum=momentum)


def timm_optimizer(
    subject: Any, name: str, arguments: Mapping[str, Any] | None = None, **rates: float
) -> torch.optim.Optimizer:
    """One of timm's by name.

    Args:
        subject: A model, of which timm makes groups by the weight decay; or groups of parameters.
        name: The optimiser's.
        arguments: What else it takes.
        rates: ``lr``, ``weight_decay`` and ``momentum``.

    Raises:
        ValueError: There is no such optimiser, or it does not take an argument.
    """
    if name not in list_optimizers():
        listed = "sgd, adamw, lamb, rmsproptf and all of timm.optim.list_optimizers() are"
        hint = did_you_mean(name, map(str, list_optimizers()), listed)
        raise ValueError(f"optimizer: {name!r} is none of timm's; {hint}")
    try:
        return create_optimizer_v2(subject, name, **rates, **(arguments or {}))
    except (ImportError, AssertionError, RuntimeError, TypeError, ValueError) as error:
        given = f" with {dict(arguments)}" if arguments else ""
        raise ValueError(f"optimizer: timm cannot build {name}{given}: {error}") from error


def build_sgd(model: nn.Module, *, lr: float, momentum: float, weight_decay: float) -> torch.optim.SGD:
    """Fused SGD with Nesterov's momentum; weight decay on convolution and linear weights, none on BN and biases."""
    groups = param_groups_weight_decay(model, weight_decay)
    optimizer = torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0, fused=True)
    if momentum > 0:
        # The fused step wants the buffers of all weights or of none, but some weights meet their first gradient late.
        for parameter in model.parameters():
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer
