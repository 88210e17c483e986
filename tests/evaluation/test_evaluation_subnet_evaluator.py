import copy
import gc

import pytest
import torch
from torch import nn

from alphanet_plugin.evaluation import Evaluator, Metrics, QuickEvaluator, SubnetEvaluator, evaluate, recalibrate_bn
from alphanet_plugin.spaces import Arch

WIDE, NARROW = Arch({"width": 6}), Arch({"width": 2})


class Supernet:
    """The first `width` channels of one small network."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
        )
        self.extracted: list[nn.Module] = []

    def extract(self, arch: Arch) -> nn.Module:
        width = arch.width
        net = copy.deepcopy(self.net).train()
        net[0] = nn.Conv2d(3, width, 3)
        net[0].load_state_dict({name: value[:width] for name, value in self.net[0].state_dict().items()})
        net[1] = nn.BatchNorm2d(width)
        net[1].running_var.fill_(1e6)  # a supernet's statistics mean nothing
        net[4] = nn.Linear(width, 4)
        net[4].load_state_dict({"weight": self.net[4].weight[:, :width], "bias": self.net[4].bias})
        self.extracted.append(net)
        return net


@pytest.fixture
def images() -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(2)
    return [
        (torch.randn(8, 3, 5, 5, generator=generator), torch.randint(4, (8,), generator=generator)) for _ in range(4)
    ]


def test_extract_recalibrate_evaluate(images):
    evaluator = SubnetEvaluator(Supernet(), images[:2], images[2:])
    for arch in (WIDE, NARROW):
        by_hand = recalibrate_bn(Supernet().extract(arch), images[:2])
        expected = evaluate(by_hand, images[2:])
        metrics = evaluator(arch)
        assert metrics == Metrics(
            top1=expected.top1, top5=expected.top5, loss=pytest.approx(expected.loss, rel=1e-5), count=16
        )
        assert evaluator(arch) == metrics, "the same arch gets the same figures"
    assert isinstance(evaluator, Evaluator)


def test_the_subnet_is_calibrated_and_ready(images):
    evaluator = SubnetEvaluator(Supernet(), [x for x, _ in images[:2]], images[2:])
    net = evaluator.subnet(NARROW)
    assert not any(module.training for module in net.modules())
    assert net[1].running_var.max() < 100
    assert net[1].num_batches_tracked == 2
    assert net[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_the_supernet_stays_as_it_is(images):
    supernet = Supernet()
    before = copy.deepcopy(supernet.net.state_dict())
    SubnetEvaluator(supernet, images, images)(WIDE)
    assert all(torch.equal(value, before[name]) for name, value in supernet.net.state_dict().items())
    assert len(supernet.extracted) == 1


def test_a_device_is_used(images):
    evaluator = SubnetEvaluator(Supernet(), images, images, device="meta")
    with pytest.raises((NotImplementedError, RuntimeError)):  # meta tensors hold no numbers to report
        evaluator(WIDE)
    assert evaluator.supernet.extracted[0][0].weight.device.type == "meta"


def test_nothing_is_kept_of_a_subnet(images):
    evaluator = SubnetEvaluator(Supernet(), images[:2], images[2:])

    def tensors():
        evaluator.supernet.extracted.clear()
        gc.collect()
        return sum(issubclass(type(found), torch.Tensor) for found in gc.get_objects())

    evaluator(WIDE)
    before = tensors()
    for _ in range(5):
        evaluator(WIDE), evaluator(NARROW), QuickEvaluator(evaluator, 0.5)(NARROW)
    assert tensors() == before


@pytest.mark.parametrize(("share", "count"), [(0.25, 8), (0.125, 4), (0.4, 8), (0.01, 2), (1.0, 16)])
def test_quick_evaluation_normalises_each_batch_by_itself(images, share, count):
    full = SubnetEvaluator(Supernet(), images[:2], images[2:])
    assert full.images_per_subnet == 32
    quick = QuickEvaluator(full, share)
    batches = [(x[:count], y[:count]) for x, y in images[2:]][: max(1, count // 8)]
    by_hand = Supernet().extract(NARROW).eval()
    by_hand[1].train()
    with torch.no_grad():
        logits = torch.cat([by_hand(x) for x, _ in batches])
    loss = torch.nn.functional.cross_entropy(logits, torch.cat([y for _, y in batches]))
    metrics = quick(NARROW)
    assert metrics.loss == pytest.approx(float(loss), rel=1e-5)
    assert metrics.count == quick.images_per_subnet == count
    assert quick(NARROW) == metrics


@pytest.mark.parametrize(("which", "given", "message"), [
    (0, [], "calibration_batches is empty"),
    (1, [], "evaluation_batches is empty"),
    (0, iter([1]), "calibration_batches is an iterator"),
    (1, (number for number in [1]), "evaluation_batches is an iterator"),
])  # fmt: skip
def test_batches_must_last(images, which, given, message):
    both = [images, images]
    both[which] = given
    with pytest.raises(ValueError, match=message):
        SubnetEvaluator(Supernet(), *both)
