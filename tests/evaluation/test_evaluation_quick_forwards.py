import copy

import pytest
import torch
from timm.layers import BatchNormAct2d, SEModule
from torch import nn

from alphanet_plugin.evaluation import norm_statistics, recalibrate_bn
from alphanet_plugin.evaluation.subnet_evaluator import quick_forwards


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
    with quick_forwards(net):
        replaced = [name for name, module in net.named_modules() if "forward" in vars(module)]
        torch.testing.assert_close(net(images), expected)
    assert replaced == ["1", "2.fc1", "2.fc2", "4"]
    assert not any("forward" in vars(module) for module in net.modules())
    assert torch.equal(net(images), expected)


def test_a_forward_of_somebody_elses_is_left_alone():
    net = nn.Sequential(nn.Conv2d(3, 4, 1))
    net[0].forward = lambda x: x + 1
    with quick_forwards(net):
        assert torch.equal(net(torch.zeros(1, 3, 1, 1)), torch.ones(1, 3, 1, 1))
    assert "forward" in vars(net[0])


def test_nothing_is_left_behind_after_an_error():
    net = network()
    with pytest.raises(RuntimeError), quick_forwards(net):
        net(torch.zeros(1, 5, 9, 9))
    assert not any("forward" in vars(module) for module in net.modules())


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("act", [nn.SiLU, nn.ReLU, nn.Hardswish, nn.GELU])
def test_norms_and_activations_are_the_same(act, calibrated):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 21, 3, bias=False), BatchNormAct2d(21, act_layer=act), nn.Flatten())
    plain, quick = (copy.deepcopy(net).to(memory_format=torch.channels_last) for _ in range(2))
    batches = [torch.randn(count, 3, 9, 9).contiguous(memory_format=torch.channels_last) for count in (4, 4, 3)]
    with quick_forwards(quick):
        for model in (plain, quick) if calibrated else ():
            recalibrate_bn(model, batches)
        assert "forward" in vars(quick[1])
        with torch.no_grad():
            found = quick.eval()(batches[0])
    torch.testing.assert_close(found, plain.eval()(batches[0]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(norm_statistics(quick), norm_statistics(plain), rtol=1e-5, atol=1e-6)
    assert not any("forward" in vars(module) for module in quick.modules())


def test_batch_statistics_where_none_run():
    net = BatchNormAct2d(5, act_layer=nn.SiLU).eval()
    net.running_mean = net.running_var = None
    images = torch.randn(4, 5, 3, 3).contiguous(memory_format=torch.channels_last)
    expected = net(images)
    with quick_forwards(net), torch.no_grad():
        torch.testing.assert_close(net(images), expected, rtol=1e-5, atol=1e-5)


def test_gradients_flow():
    net = network()
    net.insert(1, BatchNormAct2d(8, act_layer=nn.SiLU)).eval()
    with quick_forwards(net):
        net(torch.randn(2, 3, 9, 9).contiguous(memory_format=torch.channels_last)).sum().backward()
    assert net[0].weight.grad is not None
    assert net[1].weight.grad is not None
    assert net[5].weight.grad is not None
