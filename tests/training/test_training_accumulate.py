"""Gradients of micro-batches add up to the larger batch's, where BatchNorm is out of the way."""

import copy
from itertools import chain

import pytest
import torch
from accelerate import Accelerator
from small_run import config
from torch import nn

from alphanet_plugin import runs
from alphanet_plugin.data import RunSampler
from alphanet_plugin.losses import KLDivergence, Objective
from alphanet_plugin.schedules import WarmupCosine
from alphanet_plugin.spaces import get_space
from alphanet_plugin.supernet import build_supernet
from alphanet_plugin.training import GlobalBatch, NetworkUpdate, SupernetPhase, SupernetUpdate

IMAGES, LABELS = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(1)), torch.arange(8) % 4


def gradients(update, step=None):
    figures = step(update) if step else update.step(0, IMAGES, LABELS)
    return figures, {name: one.grad for name, one in update.model.named_parameters() if one.grad is not None}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        assert (gradient - other[name]).abs().max() <= 1e-4 * gradient.abs().max(), name


def network_update(model, micro_batches):
    model = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return NetworkUpdate(
        accelerator=Accelerator(cpu=True, gradient_accumulation_steps=4),  # as its launcher may say: not divided twice
        model=model,
        optimizer=optimizer,
        objective=Objective(label_smoothing=0.1),
        mix=lambda step, images, labels: (images.flip(0), labels.flip(0)),  # noqa: ARG005
        micro_batches=micro_batches,
    )


def test_a_networks_update():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 4))
    (one, whole), (other, parts) = (gradients(network_update(model, count)) for count in (1, 4))
    assert one == pytest.approx(other)
    assert_equal(whole, parts)


class FixedSampler:
    def __init__(self, archs):
        self.archs, self.figures = archs, {}

    def choose(self, step, batch_losses):  # noqa: ARG002
        return self.archs


def without_batch_norm(supernet):
    """BatchNorm by fixed statistics, which each image then meets alike in whatever company."""
    for module in supernet.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.forward = lambda x, module=module: x * module.weight[: x.shape[1], None, None]
    return supernet


@pytest.fixture(scope="module")
def supernet():
    space = get_space("us_mobilenet_v2", resolutions=(16,))
    return without_batch_norm(build_supernet(space, num_classes=4))


def supernet_update(supernet, micro_batches):
    supernet.zero_grad()
    space = supernet.space
    return SupernetUpdate(
        accelerator=Accelerator(cpu=True),
        model=supernet,
        optimizer=torch.optim.SGD(supernet.parameters(), lr=0.1),
        phase=SupernetPhase(
            name="train",
            steps=range(1),
            rate=WarmupCosine(base_lr=0.1, total_steps=1),
            sampler=FixedSampler([space.largest(), space.smallest()]),
            first=Objective(),
            others=Objective(KLDivergence()),
        ),
        micro_batches=micro_batches,
    )


def test_a_supernets_update(supernet):
    found = []
    for count in (1, 4):
        figures, grads = gradients(supernet_update(supernet, count))
        found.append((figures, {name: grad.clone() for name, grad in grads.items()}))
    (one, whole), (other, parts) = found
    assert one == pytest.approx(other, rel=1e-4)
    assert_equal(whole, parts)


def test_losses_to_rank_by(supernet):
    archs = [supernet.space.largest(), supernet.space.smallest()]
    one, other = (supernet_update(supernet, count).batch_losses(IMAGES, LABELS, archs) for count in (1, 4))
    assert one == pytest.approx(other, rel=1e-4)


def test_ranks_synchronise_with_the_last_pass_of_an_update_alone(supernet):
    update = supernet_update(supernet, 4)
    passes = []
    update.synchronised = lambda last: passes.append(last) or torch.enable_grad()
    update.step(0, IMAGES, LABELS)
    assert passes == [False] * 7 + [True]


def test_unequal_parts_are_refused(supernet):
    with pytest.raises(ValueError, match="8 images do not make 3 equal micro-batches"):
        supernet_update(supernet, 3).step(0, IMAGES, LABELS)


def test_rate_and_epoch_go_by_the_images_of_an_update():
    batch = GlobalBatch(batch_size=64, accumulate=4, processes=2, num_images=5000)
    assert (batch.images, batch.lr_scale, batch.steps_per_epoch) == (512, 2, 9)
    same = GlobalBatch(batch_size=512, num_images=5000)
    assert (same.lr_scale, same.steps_per_epoch) == (2, 9)


@pytest.mark.parametrize("shares", [(1, 8), (2, 4), (4, 2)])
def test_a_global_batch_is_the_same_images_however_many_ranks_share_it(shares):
    processes, batch_size = shares
    ranks = [list(RunSampler(40, batch_size, 10, 0, rank=rank, world_size=processes)) for rank in range(processes)]
    alone = list(RunSampler(40, 8, 10, 0))
    assert [sorted(chain.from_iterable(step)) for step in zip(*ranks, strict=True)] == [sorted(step) for step in alone]


def test_accumulate_is_part_of_what_a_run_is_where_it_is_not_one(tmp_path):
    assert "accumulate" not in runs.supernet_identity(config(tmp_path))["training"]
    assert runs.supernet_identity(config(tmp_path, accumulate=2))["training"]["accumulate"] == 2
