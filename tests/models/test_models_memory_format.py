"""The memory format of models and images follows the device."""

import torch
from torch import nn

from alphanet_plugin.models import memory_format_of, to_memory_format


def test_channels_last_but_on_cuda():
    assert memory_format_of(torch.device("cpu")) == torch.channels_last
    assert memory_format_of(torch.device("cuda", 1)) == torch.contiguous_format


def test_weights_take_the_format_of_the_device():
    model = nn.Conv2d(4, 8, 3).to(memory_format=torch.channels_last)
    assert to_memory_format(model, torch.device("cuda")).weight.is_contiguous()
    to_memory_format(model, torch.device("cpu"))
    assert model.weight.is_contiguous(memory_format=torch.channels_last)
    assert not model.weight.is_contiguous()


def test_a_weight_of_one_pixel_has_the_strides_of_a_fresh_tensor():
    model = to_memory_format(nn.Conv2d(4, 8, 1), torch.device("cpu"))
    assert model.weight.stride() == torch.empty(8, 4, 1, 1).stride()
