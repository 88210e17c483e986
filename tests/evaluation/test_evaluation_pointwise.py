import pytest
import torch
from timm.layers import SEModule
from torch import nn

from alphanet_plugin.evaluation.subnet_evaluator import pointwise_as_matmul


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, bias=False), nn.Conv2d(8, 16, 1), SEModule(16), nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(16, 12, 1, bias=False), nn.Conv2d(12, 12, 1, groups=3), nn.Flatten(), nn.Linear(12, 4),
    ).eval()  # fmt: skip


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_same_numbers_and_nothing_left_behind(memory_format):
    net = network().to(memory_format=memory_format)
    images = torch.randn(5, 3, 9, 9).contiguous(memory_format=memory_format)
    expected = net(images)
    with pointwise_as_matmul(net):
        replaced = [name for name, module in net.named_modules() if "forward" in vars(module)]
        torch.testing.assert_close(net(images), expected)
    assert replaced == ["1", "2.fc1", "2.fc2", "4"]
    assert not any("forward" in vars(module) for module in net.modules())
    assert torch.equal(net(images), expected)


def test_a_forward_of_somebody_elses_is_left_alone():
    net = nn.Sequential(nn.Conv2d(3, 4, 1))
    net[0].forward = lambda x: x + 1
    with pointwise_as_matmul(net):
        assert torch.equal(net(torch.zeros(1, 3, 1, 1)), torch.ones(1, 3, 1, 1))
    assert "forward" in vars(net[0])


def test_nothing_is_left_behind_after_an_error():
    net = network()
    with pytest.raises(RuntimeError), pointwise_as_matmul(net):
        net(torch.zeros(1, 5, 9, 9))
    assert not any("forward" in vars(module) for module in net.modules())


def test_gradients_flow():
    net = network()
    with pointwise_as_matmul(net):
        net(torch.randn(2, 3, 9, 9)).sum().backward()
    assert net[4].weight.grad is not None
