"""The papers' optimiser."""

import torch
from timm.optim import param_groups_weight_decay
from torch import nn


def build_sgd(model: nn.Module, *, lr: float, momentum: float, weight_decay: float) -> torch.optim.SGD:
    """Fused SGD with Nesterov's momentum; weight decay on convolution and linear weights, none on BN and biases."""
    groups = param_groups_weight_decay(model, weight_decay)
    optimizer = torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0, fused=True)
    if momentum > 0:
        # The fused step wants the buffers of all weights or of none, but some weights meet their first gradient late.
        for parameter in model.parameters():
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer
