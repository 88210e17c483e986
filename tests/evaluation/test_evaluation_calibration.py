import copy

import pytest
import timm
import torch
from timm.layers import BatchNormAct2d
from torch import nn
from torch.nn import functional as F

from alphanet_plugin.evaluation import recalibrate_bn


def conv_net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        BatchNormAct2d(4, momentum=0.3, drop_layer=lambda: nn.Dropout(0.9)),
        nn.Dropout(0.5),
        nn.Conv2d(4, 5, 3),
        nn.BatchNorm2d(5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 2),
    )


def batches(*sizes: int, seed: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, 3, 9, 9, generator=generator) * (number + 1) for number, size in enumerate(sizes)]


def statistics(model: nn.Module) -> list[torch.Tensor]:
    names = ("running_mean", "running_var", "num_batches_tracked")
    return [buffer.clone() for name, buffer in model.named_buffers() if name.endswith(names)]


def assert_same(first: list[torch.Tensor], second: list[torch.Tensor]) -> None:
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_statistics_are_the_mean_over_batches():
    """Against a plain computation in float64: mean of batch means, mean of unbiased batch variances."""
    net = conv_net()
    net[1].running_mean.fill_(7.0)
    images = batches(4, 6, 3)
    recalibrate_bn(net, images)

    wide = copy.deepcopy(net).double()
    first = [wide[0](x.double()) for x in images]
    assert_statistics(net[1], first)
    second = [wide[3](normalised(x).relu()) for x in first]
    assert_statistics(net[4], second)


def normalised(x: torch.Tensor) -> torch.Tensor:
    variance, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def assert_statistics(norm: nn.BatchNorm2d, inputs: list[torch.Tensor]) -> None:
    mean = torch.stack([x.mean((0, 2, 3)) for x in inputs]).mean(0)
    variance = torch.stack([x.var((0, 2, 3), correction=1) for x in inputs]).mean(0)
    torch.testing.assert_close(norm.running_mean, mean.float(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, variance.float(), rtol=1e-4, atol=1e-5)
    assert norm.num_batches_tracked == len(inputs)


def test_twice_is_the_same_bit_for_bit():
    net = conv_net()
    images = batches(4, 6)
    once = statistics(recalibrate_bn(net, images))
    recalibrate_bn(net, batches(5, seed=9))
    assert_same(statistics(recalibrate_bn(net, images)), once)


def test_only_statistics_change():
    net = conv_net()
    net.train()
    net[3].eval()
    net[4].eval()
    modes = [module.training for module in net.modules()]
    weights = [parameter.clone() for parameter in net.parameters()]
    assert recalibrate_bn(net, batches(4)) is net
    assert [module.training for module in net.modules()] == modes
    assert (net[1].momentum, net[4].momentum) == (0.3, 0.1)
    assert_same(list(net.parameters()), weights)
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize("form", [tuple, list])
def test_labels_are_ignored_and_any_iterable_serves(form):
    net = conv_net()
    images = batches(4, 6)
    expected = statistics(recalibrate_bn(net, images))
    pairs = (form((x, torch.zeros(len(x)))) for x in images)
    assert_same(statistics(recalibrate_bn(net, pairs)), expected)


def test_images_follow_the_models_type():
    net = conv_net().double()
    recalibrate_bn(net, batches(4))
    assert net[1].running_mean.dtype == torch.float64
    assert net[1].num_batches_tracked == 1


def test_a_timm_model_with_drop_path_gives_the_same_each_time():
    torch.manual_seed(0)
    net = timm.create_model("test_efficientnet", drop_rate=0.5, drop_path_rate=0.5).train()
    images = [torch.randn(64, 3, 32, 32)]
    once = statistics(recalibrate_bn(net, images))
    assert_same(statistics(recalibrate_bn(net, images)), once)
    assert net.training
    evaluated = net.eval()(images[0])
    for module in net.modules():
        module.training = isinstance(module, nn.modules.batchnorm._BatchNorm)
    # One batch: its own statistics (but for the unbiased variance) are the running ones.
    assert F.cosine_similarity(net(images[0]), evaluated).min() > 0.99


class Failing:
    """Yields one batch, then fails."""

    def __iter__(self):
        yield batches(4)[0]
        raise OSError("disk gone")


class Odd(nn.Module):
    """Fails in a forward of its own accord."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        self.norm(x)
        raise ValueError("odd network")


@pytest.mark.parametrize(("given", "error", "message"), [
    ([], ValueError, "at least one batch"),
    (Failing(), OSError, "disk gone"),
    ([*batches(4), torch.full((2, 3, 9, 9), float("nan"))], ValueError, "BatchNorm 1 are not finite"),
    ([*batches(4), torch.zeros(0, 3, 9, 9)], ValueError, "at least one image"),
])  # fmt: skip
def test_a_failure_leaves_the_model_as_it_was(given, error, message):
    net = recalibrate_bn(conv_net(), batches(6)).train()
    net[4].eval()
    before, modes = statistics(net), [module.training for module in net.modules()]
    with pytest.raises(error, match=message):
        recalibrate_bn(net, given)
    assert_same(statistics(net), before)
    assert [module.training for module in net.modules()] == modes
    assert (net[1].momentum, net[4].momentum) == (0.3, 0.1)


def test_one_value_per_channel_has_no_variance():
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3))
    with pytest.raises(ValueError, match="batches of at least 2 images"):
        recalibrate_bn(net, batches(4, 1))
    with pytest.raises(ValueError, match="odd network"):
        recalibrate_bn(Odd(), batches(4))


def test_norms_without_statistics_are_named():
    net = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3, track_running_stats=False))
    with pytest.raises(ValueError, match="BatchNorm 1 keeps no running statistics"):
        recalibrate_bn(net, batches(4))


def test_a_model_without_norms_is_returned_as_it_is():
    net = nn.Linear(3, 2)
    assert recalibrate_bn(net, []) is net
