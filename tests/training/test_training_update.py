"""One update of a supernet against the same thing written out."""

import copy
from dataclasses import replace

import pytest
import torch
from small_run import build, config

from alphanet_plugin.config import NoKDConfig
from alphanet_plugin.losses import Objective
from alphanet_plugin.training import build_sgd


@pytest.fixture
def trainer(tmp_path):
    trainer = build(config(tmp_path, drop_rate=0.0, drop_path_rate=0.0))
    trainer.update.model.train()
    return trainer


@pytest.mark.parametrize("students_learn_from", ["teacher", "labels"])
def test_gradients_add_up_unscaled_and_the_teacher_learns_from_labels_only(trainer, students_learn_from):
    update = trainer.update
    if students_learn_from == "labels":
        update.phase = replace(update.phase, others=Objective())
    images, labels = next(iter(trainer.batches(0)))
    archs = trainer.update.phase.sampler.archs(0)
    twin = copy.deepcopy(update.supernet)

    losses = update.accumulate(images, labels, archs)

    twin.activate(archs[0])
    logits = twin(images)
    expected = [torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)]
    for arch in archs[1:]:
        twin.activate(arch)
        students = twin(images)
        if students_learn_from == "teacher":
            expected.append(update.phase.others.kd(students, logits.detach()))
        else:
            expected.append(torch.nn.functional.cross_entropy(students, labels, label_smoothing=0.1))
    sum(expected).backward()

    torch.testing.assert_close(losses, torch.stack(expected).detach())
    for (name, one), other in zip(update.supernet.named_parameters(), twin.parameters(), strict=True):
        if other.grad is None:
            assert one.grad is None, name
        else:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5, msg=name)


def test_gradients_lie_in_memory_as_their_weights_do(trainer):
    images, labels = next(iter(trainer.batches(0)))
    trainer.update.accumulate(images, labels, trainer.update.phase.sampler.archs(0))
    for name, parameter in trainer.update.supernet.named_parameters():
        assert parameter.grad is None or parameter.grad.stride() == parameter.stride(), name
    stem = trainer.update.supernet.conv_stem.weight
    assert stem.is_contiguous(memory_format=torch.channels_last)
    assert not stem.is_contiguous()


def test_without_distillation_a_run_trains_and_logs(tmp_path):
    run = replace(config(tmp_path, epochs=1), kd=NoKDConfig())
    records = []
    trainer = build(run)
    assert trainer.update.phase.others.kd is None
    trainer.run(records.append)
    assert len(records) == 4
    assert all(record["kd_loss"] > 0 for record in records)


def test_dropout_acts_on_the_largest_only(trainer, monkeypatch):
    seen = []
    real = trainer.update.supernet.activate
    monkeypatch.setattr(
        trainer.update.supernet, "activate", lambda arch, drop=False: (seen.append((arch, drop)), real(arch, drop=drop))
    )
    images, labels = next(iter(trainer.batches(0)))
    archs = trainer.update.phase.sampler.archs(0)
    trainer.update.accumulate(images, labels, archs)
    assert seen == [(arch, number == 0) for number, arch in enumerate(archs)]


def test_entries_of_the_gradient_are_clipped_and_cleared(trainer):
    update = trainer.update
    update.clip_value = 0.5
    update.optimizer.param_groups[0]["lr"] = update.optimizer.param_groups[1]["lr"] = 1.0
    weight = update.supernet.bn1.weight
    before = weight.detach().clone()
    for parameter in update.supernet.parameters():
        parameter.grad = torch.zeros_like(parameter)
    weight.grad[0], weight.grad[1] = 100.0, -0.25
    update.apply()
    change = (weight - before).detach()
    # Nesterov's first step is (1 + momentum) times the gradient.
    assert change[0].item() == pytest.approx(-1.9 * 0.5)
    assert change[1].item() == pytest.approx(1.9 * 0.25)
    assert all(parameter.grad is None for parameter in update.supernet.parameters())


def test_weight_decay_spares_norms_and_biases():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, bias=True), torch.nn.BatchNorm2d(4))
    optimizer = build_sgd(model, lr=0.1, momentum=0.9, weight_decay=0.01)
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    assert decayed == {id(model[0].weight)}
    assert all(group["nesterov"] and group["fused"] for group in optimizer.param_groups)


def test_a_weight_that_meets_its_first_gradient_late_starts_like_any_other():
    early, late = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    model = torch.nn.Sequential(early, late)
    optimizer = build_sgd(model, lr=0.1, momentum=0.9, weight_decay=0.0)
    early.weight.grad = torch.ones_like(early.weight)
    before = late.weight.detach().clone()
    optimizer.step()
    assert torch.equal(late.weight, before)
    late.weight.grad = torch.ones_like(late.weight)
    optimizer.step()
    torch.testing.assert_close(late.weight, before - 0.1 * 1.9)
