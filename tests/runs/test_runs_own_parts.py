"""Losses, samplers and objectives of a user's own: docs/own_loss.md does what it says."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from phased_run import config as phased_config
from torch import nn

from alphanet_plugin import runs
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.losses import KLDivergence, Objective
from alphanet_plugin.runs.identity import describe_part, trained_identity
from alphanet_plugin.samplers import Sampler, SandwichSampler
from alphanet_plugin.training import latest_checkpoint

PAGE = Path(__file__).parents[2] / "docs/own_loss.md"
LOSS, PROGRAM, _ = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
MINE = {"__name__": "mine"}
exec(LOSS, MINE)
Loss = MINE["UncertaintyWeightedKL"]


class Ends(Sampler):
    """The largest arch and the smallest."""

    def __init__(self, space, seed=0):
        self.space, self.seed = space, seed

    def archs(self, step):  # noqa: ARG002
        return [self.space.largest(), self.space.smallest()]


class Both(Objective):
    """The labels and the teacher, the latter by the mean squared difference."""

    def forward(self, logits, labels, teacher_logits=None):
        return self.cross_entropy(logits, labels) + (logits - teacher_logits).square().mean()


def small(output, recipe=None):
    """16 digits of 24 pixels, 4 a step."""
    config = phased_config(output, recipe or [{"name": "one", "share": 1}])
    config = config if recipe else replace(config, phases=None)
    search = replace(config.search, num_random=2, num_rounds=1)
    evaluation = replace(config.evaluation, search_calibration_batches=1, batch_size=700)
    return replace(config, data=replace(config.data, search_count=1421), search=search, evaluation=evaluation)


def stop_after(step):
    def on_step(record):
        if record["step"] == step:
            raise KeyboardInterrupt

    return on_step


def weights(folder):
    return torch.load(latest_checkpoint(folder / "checkpoints") / "optimizer.bin", weights_only=False)["state"]


def same(one, other):
    return all(torch.equal(one[key]["momentum_buffer"], other[key]["momentum_buffer"]) for key in one)


def test_a_loss_of_ones_own_trains_resumes_and_is_searched(tmp_path):
    lines = [line for line in LOSS.splitlines() if line.strip()]
    assert len(lines) <= 20
    whole = runs.run_supernet(small(tmp_path / "whole", "deps"), kd_loss=Loss(strength=2.0))
    stopped = small(tmp_path / "stopped", "deps")
    with pytest.raises(KeyboardInterrupt):
        runs.run_supernet(stopped, stop_after(8), kd_loss=Loss(strength=2.0))
    for other, shown in (
        (Loss(strength=3.0), "mine.UncertaintyWeightedKL(strength=3.0)"),
        (KLDivergence(), "alphanet_plugin.losses.alpha.KLDivergence(temperature=1.0)"),
        (None, "the configured one"),
    ):
        message = f"kd_loss was mine.UncertaintyWeightedKL(strength=2.0), and now it is {shown}"
        with pytest.raises(ConfigError, match=re.escape(message)):
            runs.run_supernet(stopped, kd_loss=other)
    run = runs.run_supernet(stopped, kd_loss=Loss(strength=2.0))
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "stopped"))
    assert whole.folder.path != run.folder.path
    opened = runs.open_run(tmp_path / "stopped")  # as alphanet search and publish do, without the loss
    assert runs.search_run(opened)
    own = {"kd_loss": {"name": "mine.UncertaintyWeightedKL", "strength": 2.0}}
    assert trained_identity(opened.config, opened.checkpoint)["own"] == own


def test_on_purpose_it_goes_on_with_another(tmp_path):
    config = small(tmp_path / "run", "deps")
    with pytest.raises(KeyboardInterrupt):
        runs.run_supernet(config, stop_after(8), kd_loss=Loss())
    run = runs.run_supernet(config, kd_loss=Loss(strength=3.0), resume_from=tmp_path / "run")
    assert '"own.kd_loss.strength": [1.0, 3.0]' in (tmp_path / "run/resumed.jsonl").read_text()
    own = runs.run_record(run)["id"]
    shutil.rmtree(tmp_path / "run")
    configured = runs.run_supernet(config)
    assert "own" not in trained_identity(configured.config, configured.checkpoint)
    assert runs.run_record(configured)["id"] != own


def test_a_sampler_and_an_objective_of_ones_own(tmp_path):
    config = small(tmp_path / "run")
    space = runs.build_space(config)
    records = []
    runs.run_supernet(config, records.append, sampler=Ends(space), objective=Both())
    assert {record["backwards"] for record in records} == {2}
    with pytest.raises(
        ConfigError, match=r"objective was .*Both\(kd=None, weight=1.0.* and now it is the configured one"
    ):
        runs.run_supernet(config, sampler=Ends(space))
    with pytest.raises(ConfigError, match=r"sampler was .*Ends\(seed=0\), and now it is .*Ends\(seed=1\)"):
        runs.run_supernet(config, sampler=Ends(space, seed=1), objective=Both())
    with pytest.raises(ConfigError, match="sampler: each phase names one of its own"):
        runs.run_supernet(small(tmp_path / "deps", "deps"), sampler=Ends(space))


def test_an_objective_is_for_passes_that_learn_from_a_teacher(tmp_path):
    both = Both()
    timeline = runs.build_timeline(small(tmp_path, "ofa"), 4, objective=both)
    assert [phase.first is both for phase in timeline.phases] == [False] + [True] * 5
    assert all(phase.others is both for phase in timeline.phases)


class Holder(nn.Module):
    def __init__(self, values):
        super().__init__()
        self.name_of_it, self.pairs, self.inner = "x", {"a": (1, None)}, KLDivergence(2.0)
        self._hidden, self.array = 3, np.zeros(2)
        self.register_buffer("values", torch.tensor(values))


def test_what_makes_it_the_same(tmp_path):
    found = describe_part(Holder([1.0, 2.0]))
    values = found.pop("values")
    assert found == {
        "name": f"{Holder.__module__}.Holder",
        "name_of_it": "x",
        "pairs": {"a": [1, None]},
        "inner": {"name": "alphanet_plugin.losses.alpha.KLDivergence", "temperature": 2.0},
    }
    assert values == describe_part(Holder([1.0, 2.0]))["values"] != describe_part(Holder([1.0, 3.0]))["values"]
    space = runs.build_space(small(tmp_path))
    assert describe_part(SandwichSampler(space, 3))["num_random"] == 3


def smaller(program, **changes):
    """A program of the page with other numbers, as each is written there once."""
    for written, ours in changes.values():
        assert program.count(written) == 1
        program = program.replace(written, ours)
    return compile(program, "docs/own_loss.md", "exec")


@pytest.mark.slow
def test_the_program_of_the_page_trains_and_searches(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    fast = ["training.epochs=2", "training.batch_size=8", "data.search_count=1421", "search.num_random=2"]
    fast += ["training.warmup_epochs=0", "search.num_rounds=1", "evaluation.search_calibration_batches=1"]
    fast += ["data.image_size=24", "space.resolutions=[16, 24]"]
    exec(smaller(PROGRAM, overrides=('"output=runs/own_loss"', f'"output=runs/own_loss", *{fast}')), dict(MINE))
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(re.match(r"[0-9.]+ % [0-9.]+ MFLOPs resolution=", line) for line in lines), lines
    opened = runs.open_run(tmp_path / "runs/own_loss")
    own = {"kd_loss": {"name": "mine.UncertaintyWeightedKL", "strength": 2.0}}
    assert trained_identity(opened.config, opened.checkpoint)["own"] == own
