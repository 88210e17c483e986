"""Runs of several phases: killed anywhere they go on with the same numbers; teachers are kept."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from phased_run import PHASED, config, run_of
from safetensors.torch import load_file
from timm.models._hub import save_for_hf

from alphanet_plugin.config import EvaluationConfig
from alphanet_plugin.errors import CheckpointError, ConfigError
from alphanet_plugin.runs import build_timeline
from alphanet_plugin.runs.supernet_run import draw_training
from alphanet_plugin.training import JsonLinesLog, latest_checkpoint
from alphanet_plugin.training.cost import step_cost

HERE = Path(__file__).parent
EVALUATION = EvaluationConfig(search_calibration_batches=1, batch_size=16)


def train(output, recipe, stop_after=None):
    """Train; as if killed right after a step and whatever follows it."""
    run = run_of(config(output, recipe))
    records = []

    def on_step(record):
        records.append(record)
        if record["step"] == stop_after:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        run.train(on_step)
    run.accelerator.end_training()
    return run, records


def weights(run):
    return {name: tensor.clone() for name, tensor in run.trainer.update.supernet.state_dict().items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Recipe -> (folder of a run that was never stopped, its run, its records)."""
    made = {}

    def of(recipe):
        if recipe not in made:
            folder = tmp_path_factory.mktemp(recipe)
            made[recipe] = folder, *train(folder, recipe)
        return made[recipe]

    return of


@pytest.mark.parametrize("recipe", ["ofa", "deps_released"])
def test_stopped_on_both_sides_of_every_boundary_it_goes_on_with_the_same_numbers(whole, recipe, tmp_path):
    _, run, records = whole(recipe)
    ends = [phase.steps.stop for phase in run.timeline.phases[:-1]]
    # the step before a boundary's checkpoint is written, and the first after it
    for stop in sorted({stop for end in ends[:2] for stop in (end - 1, end)}):
        train(tmp_path, recipe, stop_after=stop)
    again, resumed = train(tmp_path, recipe)
    by_step = {record["step"]: {**record, "seconds": 0} for record in records}
    assert resumed
    assert all({**record, "seconds": 0} == by_step[record["step"]] for record in resumed)
    expected = weights(run)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(again).items())


def test_what_the_phases_of_once_for_all_did(whole):
    folder, run, records = whole("ofa")
    assert [record["phase"] for record in records] == [phase.name for phase in run.timeline.phases for _ in phase.steps]
    assert all(record["kd_loss"] == 0 for record in records if record["phase"] in ("teacher", "kernel"))
    kept = folder / "teachers/teacher"
    about = json.loads((kept / "config.json").read_text())
    assert (about["phase"], about["step"]) == ("teacher", run.timeline.phases[0].steps.stop)
    assert latest_checkpoint(folder / "checkpoints").name == f"step_{run.timeline.total_steps:08d}"


def test_the_teacher_is_the_largest_arch_in_training_mode_without_dropout(whole):
    folder, run, _ = whole("ofa")
    phase = run.timeline.phases[-1]
    teach = run.trainer.update._teachers.of(phase)
    supernet = run.trainer.update.supernet
    kept = load_file(folder / "teachers/teacher/model.safetensors")
    images = torch.randn(4, 3, 24, 24)
    before = weights(run)
    supernet.load_state_dict(kept)
    supernet.activate(supernet.space.largest())
    torch.testing.assert_close(teach(images, 24), supernet.train()(images), rtol=1e-4, atol=1e-5)
    supernet.load_state_dict(before)


def test_a_phase_of_fewer_archs_teaches_by_the_largest_of_them(tmp_path):
    phases = [
        {"name": "low", "share": 0.5, "sampler": {"name": "largest"}, "choices": {"depth": [2]}},
        {"name": "high", "teacher": "low", "others": {"weight": 1}},
    ]
    run, _ = train(tmp_path, phases)
    supernet = run.trainer.update.supernet
    supernet.load_state_dict(load_file(tmp_path / "teachers/low/model.safetensors"))
    supernet.activate(run.timeline.phases[0].sampler.space.largest())
    images = torch.randn(4, 3, 24, 24)
    teach = run.trainer.update._teachers.of(run.timeline.phases[1])
    torch.testing.assert_close(teach(images, 24), supernet.train()(images), rtol=1e-4, atol=1e-5)


def test_of_a_network_of_another_kind_no_cost_is_invented():
    phases = [{"name": "one", "teacher": "resnet10t"}]
    (phase,) = build_timeline(config("x", phases), 4).phases
    assert phase.foreign_teacher
    archs = phase.sampler.archs(0)
    cost = step_cost(phase.sampler.space, archs, phase=phase, num_classes=10)
    assert (cost.forwards, cost.backwards, cost.macs) == (5, 4, None)
    assert "gmacs" not in cost.figures(8)


def test_a_network_of_timms_teaches_a_phase_and_the_run_goes_on(tmp_path):
    """A folder that timm saved, whose images are normalised and sized in another way than the run's."""
    teacher = timm.create_model("resnet10t", num_classes=10)
    own = {"input_size": (3, 32, 32), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3), "interpolation": "bilinear"}
    save_for_hf(teacher, tmp_path / "net", model_config={"pretrained_cfg": own}, safe_serialization=True)
    phases = [
        {"name": "full", "share": 0.5, "sampler": {"name": "largest"}},
        {"name": "taught", "teacher": str(tmp_path / "net"), "first": {"weight": 1}, "others": {"weight": 1}},
    ]
    run, records = train(tmp_path / "whole", phases)
    assert [record["forwards"] for record in records] == [1] * 6 + [5] * 6
    assert "gmacs" not in records[-1]
    images = torch.randn(2, 3, 24, 24)
    mean, std, wanted_mean, wanted_std = (
        torch.tensor(values).view(3, 1, 1) for values in (run.splits.mean, run.splits.std, own["mean"], own["std"])
    )
    seen = torch.nn.functional.interpolate(
        (images * std + mean - wanted_mean) / wanted_std, (32, 32), mode="bilinear", antialias=True
    )
    teach = run.trainer.update._teachers.of(run.timeline.phases[1])
    torch.testing.assert_close(teach(images, 24), teacher.eval()(seen), rtol=1e-4, atol=1e-5)
    train(tmp_path / "again", phases, stop_after=8)
    again, _ = train(tmp_path / "again", phases)
    expected = weights(run)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(again).items())


@pytest.fixture
def taught(tmp_path):
    """(phases of which the first has a network of timm's as teacher, what saves it with new weights)."""

    def save(seed):
        torch.manual_seed(seed)
        save_for_hf(timm.create_model("test_efficientnet", num_classes=10), tmp_path / "net", safe_serialization=True)

    save(0)
    with_weight = {"first": {"weight": 1}, "others": {"weight": 1}}
    return [{"name": "taught", "share": 0.5, "teacher": str(tmp_path / "net"), **with_weight}, {"name": "own"}], save


def test_a_phases_teacher_with_other_weights_is_refused_while_it_teaches(taught, tmp_path):
    phases, save = taught
    _, records = train(tmp_path / "whole", phases)
    train(tmp_path / "run", phases, stop_after=4)
    save(1)
    with pytest.raises(ConfigError, match=r"holds a run with other values of teachers\.taught\.sha256; choose another"):
        train(tmp_path / "run", phases)
    save(0)
    _, resumed = train(tmp_path / "run", phases, stop_after=7)  # the teacher's phase is over after step 5
    save(1)
    _, rest = train(tmp_path / "run", phases)
    assert [record["step"] for record in rest] == [6, 7, 8, 9, 10, 11]
    losses = {record["step"]: record["loss"] for record in records}
    assert all(record["loss"] == losses[record["step"]] for record in [*resumed, *rest])


def test_a_run_from_before_teachers_were_written_down_goes_on(taught, tmp_path):
    phases, _ = taught
    train(tmp_path, phases, stop_after=4)
    state = latest_checkpoint(tmp_path / "checkpoints") / "run.json"
    values = json.loads(state.read_text())
    assert set(values["identity"].pop("teachers")) == {"taught"}
    state.write_text(json.dumps(values))
    assert train(tmp_path, phases)[1]


def test_a_wrong_phase_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="sort_channels"):
        train(tmp_path / "run", [{"name": "one", "share": 0.5}, {"name": "two", "sort_channels": 9}])
    assert not (tmp_path / "run/images.json").exists()


def test_a_lost_teacher_is_named(whole, tmp_path):
    folder, _, _ = whole("ofa")
    shutil.copytree(folder, tmp_path / "run")
    latest = latest_checkpoint(tmp_path / "run/checkpoints")
    shutil.rmtree(tmp_path / "run/teachers")
    shutil.rmtree(latest)
    with pytest.raises(CheckpointError, match=r"teachers/teacher holds no supernet.*it taught phases after teacher"):
        train(tmp_path / "run", "ofa")


def test_momentum_begins_anew_where_a_phase_restarts_and_channels_are_sorted_once(whole):
    _, run, _ = whole("ofa")
    trainer = run.trainer
    update, phases = trainer.update, {phase.name: phase for phase in run.timeline.phases}
    before = update.optimizer
    update.enter(phases["expand2"], begins=False)
    assert update.optimizer is before
    update.enter(phases["expand2"], begins=True)
    assert update.optimizer is not before
    assert all((state["momentum_buffer"] == 0).all() for state in update.optimizer.state.values())
    assert [update.optimizer] == update.accelerator._optimizers


def test_a_phase_with_another_optimizer_resumes(tmp_path):
    phases = [
        {"name": "sgd", "share": 0.5, "sampler": {"name": "largest"}},
        {"name": "other", "optimizer": "rmsproptf", "rate": {"form": "constant", "factor": 0.1}},
    ]
    whole_run, _ = train(tmp_path / "whole", phases)
    train(tmp_path / "stopped", phases, stop_after=7)
    again, _ = train(tmp_path / "stopped", phases)
    expected = weights(whole_run)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(again).items())


def test_validation_during_training_changes_nothing_in_it(whole, tmp_path):
    _, run, records = whole("deps_released")
    watched = replace(config(tmp_path, "deps_released", validate_epochs=1), evaluation=EVALUATION)
    trained = run_of(watched)
    found = []
    trained.train(found.append)
    draw_training(trained)
    trained.accelerator.end_training()
    expected = weights(run)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(trained).items())
    assert [record["loss"] for record in found] == [record["loss"] for record in records]
    measured = JsonLinesLog(tmp_path / "curve.jsonl").read()
    assert [record["step"] for record in measured] == [3, 7, 11]
    assert all(0 <= record[end]["top1"] <= 100 for record in measured for end in ("smallest", "largest"))
    assert (tmp_path / "training.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a dozen processes, one after the other
@pytest.mark.parametrize("recipe", PHASED)
def test_killed_in_every_phase_and_on_both_sides_of_every_boundary(whole, recipe, tmp_path):
    _, run, _ = whole(recipe)
    kills = sorted(
        {step for phase in run.timeline.phases for step in (phase.steps.start, phase.steps.stop - 1)}
        - {run.timeline.total_steps - 1}
    )
    program = [sys.executable, str(HERE / "phased_run.py"), str(tmp_path), recipe]
    for step in kills:
        assert subprocess.run([*program, str(step)], check=False).returncode == -signal.SIGKILL
    assert subprocess.run(program, check=False, env=os.environ).returncode == 0
    expected, found = weights(run), load_file(latest_checkpoint(tmp_path / "checkpoints") / "model.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
