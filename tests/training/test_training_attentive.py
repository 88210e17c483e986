"""Archs ranked by their losses on the step's batch."""

import json
from dataclasses import replace

import pytest
import torch
from small_run import build, config

from alphanet_plugin.config import AttentiveConfig, UniformConfig


def attentive(output, **training):
    sampler = AttentiveConfig(num_random=1, num_candidates=2, bin_mflops=1.0)
    return replace(config(output, epochs=1, save_every=2, **training), sampler=sampler)


def test_losses_to_rank_by_leave_no_trace(tmp_path):
    trainer = build(attentive(tmp_path, drop_rate=0.5, drop_path_rate=0.5))
    update = trainer.update
    update.model.train()
    images, labels = next(iter(trainer.batches(0)))
    archs = [update.supernet.space.largest(), update.supernet.space.smallest()]
    state = {name: value.clone() for name, value in update.supernet.state_dict().items()}
    random = torch.get_rng_state()

    losses = update.batch_losses(images, labels, archs)

    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(value, state[name]) for name, value in update.supernet.state_dict().items())
    assert all(parameter.grad is None for parameter in update.supernet.parameters())
    for arch, loss in zip(archs, losses, strict=True):
        update.supernet.activate(arch)
        expected = torch.nn.functional.cross_entropy(update.supernet(images), labels, label_smoothing=0.1)
        assert loss == pytest.approx(expected.item(), rel=1e-5)


def test_the_step_trains_the_candidate_of_least_loss(tmp_path, monkeypatch):
    trainer = build(attentive(tmp_path))
    update, trained = trainer.update, []
    update.model.train()
    accumulate = update.accumulate
    monkeypatch.setattr(update, "accumulate", lambda *given: (trained.extend(given[2]), accumulate(*given))[1])
    images, labels = next(iter(trainer.batches(0)))
    (candidates,) = trainer.update.phase.sampler.candidates(0)
    losses = update.batch_losses(images, labels, candidates)
    trainer._step(0, images, labels)
    assert losses[0] != losses[1]
    assert trained[1] == candidates[losses.index(min(losses))]


def test_a_stopped_run_goes_on_with_the_same_numbers(tmp_path):
    whole, stopped = build(attentive(tmp_path / "whole")), tmp_path / "stopped"
    whole.run()

    def stop(record):
        if record["step"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(attentive(stopped)).run(stop)
    again = build(attentive(stopped))
    again.run()

    for (name, one), other in zip(
        whole.update.supernet.state_dict().items(), again.update.supernet.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name
    logs = [[json.loads(line) for line in trainer.log.path.read_text().splitlines()] for trainer in (whole, again)]
    for one, other in zip(*logs, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
        assert 0 < one["accepted_share"] <= 1
    assert len(logs[0]) == 4


def test_uniform_archs_alone(tmp_path):
    run = replace(config(tmp_path, epochs=1), sampler=UniformConfig(num_archs=2))
    trainer = build(run)
    trainer.run()
    assert len(trainer.log.path.read_text().splitlines()) == 4
