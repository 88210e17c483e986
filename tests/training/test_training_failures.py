"""What goes wrong in training is named, and loses nothing."""

import errno
import json
from dataclasses import replace

import pytest
import torch
from small_run import build, config, small_splits

from alphanet_plugin import runs
from alphanet_plugin.cli.progress import say_where_it_begins
from alphanet_plugin.errors import CheckpointError, ConfigError, InUseError, NonFiniteLossError
from alphanet_plugin.owner import owned
from alphanet_plugin.schedules import Timeline
from alphanet_plugin.training import JsonLinesLog, latest_checkpoint, list_checkpoints, read_weights

SHORT = {"epochs": 1, "save_every": 2}


def parameters(trainer):
    return {name: value.clone() for name, value in trainer.update.supernet.state_dict().items()}


def equal(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_loss_that_is_not_finite_stops_the_run_before_the_weights_change(tmp_path):
    trainer = build(config(tmp_path, **SHORT))
    phase = trainer.update.phase
    before = {}

    def broken(logits, labels, teacher):
        loss = phase.others(logits, labels, teacher)
        if trainer.update.phase.sampler.archs(3)[1] == trainer.update.supernet.active:
            before.update(parameters(trainer))
            return loss * torch.nan
        return loss

    broken_phase = replace(phase, others=broken)
    trainer.timeline = Timeline([broken_phase])
    with pytest.raises(NonFiniteLossError) as stop:
        trainer.run()
    message = str(stop.value)
    assert "at step 3" in message
    assert str(trainer.update.phase.sampler.archs(3)[1]) in message
    assert str(tmp_path / "checkpoints" / "step_00000002") in message
    assert equal(before, parameters(trainer))


@pytest.mark.parametrize(("at", "advice"), [(2, "at any rate.*an earlier checkpoint"), (3, "under another rate")])
def test_another_rate_is_advised_only_where_it_can_help(tmp_path, at, advice):
    trainer = build(config(tmp_path, **SHORT))
    step = trainer.update.step

    def broken(number, *batch):
        if number == at:
            raise NonFiniteLossError(f"the loss is nan at step {number}")
        return step(number, *batch)

    trainer.update.step = broken
    with pytest.raises(NonFiniteLossError, match=rf"step_00000002.*{advice}"):
        trainer.run()


def test_a_failing_write_leaves_the_last_good_checkpoint(tmp_path, monkeypatch):
    trainer = build(config(tmp_path, **SHORT))
    real = trainer.accelerator.save_state

    def full_disk(folder):
        real(folder)
        if "step_00000004" in folder:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(trainer.accelerator, "save_state", full_disk)
    with pytest.raises(CheckpointError, match=r"No space left on device; the last good checkpoint is .*step_00000002"):
        trainer.run()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step_00000002"]

    again = build(config(tmp_path, **SHORT))
    again.run()
    assert latest_checkpoint(tmp_path / "checkpoints").name == "step_00000004"


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    trainer = build(config(tmp_path, **SHORT))
    with torch.no_grad():
        trainer.update.supernet.conv_stem.weight[0] = torch.inf
    with pytest.raises(CheckpointError, match=r"conv_stem\.weight is not finite"):
        trainer.checkpoints.save(1)
    assert list_checkpoints(tmp_path / "checkpoints") == []


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    output = tmp_path_factory.mktemp("trained")
    run = config(output, **SHORT, tracker="tensorboard")
    trainer = build(run)
    runs.write_run_config(run)
    trainer.accelerator.init_trackers("alphanet")
    trainer.run()
    trainer.accelerator.end_training()
    return output, trainer


def test_a_run_that_cannot_go_on_says_so_before_all_else_and_is_left_as_it_was(trained, capsys):
    output, _ = trained
    before = (output / "config.yaml").read_bytes()
    other = config(output, **SHORT, batch_size=16)
    with pytest.raises(ConfigError, match="steps would mean something else"):
        runs.SupernetRun(other, small_splits(other)).train(watch=say_where_it_begins)
    assert (output / "config.yaml").read_bytes() == before
    assert capsys.readouterr().err == ""


def test_a_damaged_checkpoint_is_named(trained):
    output, trainer = trained
    weights = latest_checkpoint(output / "checkpoints") / "model.safetensors"
    whole = weights.read_bytes()
    try:
        weights.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(
            CheckpointError, match=r"step_00000004 is damaged: model\.safetensors .*is .*step_00000002: delete"
        ):
            trainer.checkpoints.load(weights.parent)
        with pytest.raises(CheckpointError, match=r"step_00000004 is damaged: model\.safetensors"):
            read_weights(weights.parent)
    finally:
        weights.write_bytes(whole)


def test_the_supernet_is_read_back_with_its_own_names(trained):
    output, trainer = trained
    run = runs.open_run(output)
    assert equal(run.supernet.state_dict(), parameters(trainer))


def test_only_the_newest_checkpoints_stay(tmp_path):
    build(config(tmp_path, epochs=1, save_every=1, keep_checkpoints=2)).run()
    names = [path.name for path in list_checkpoints(tmp_path / "checkpoints")]
    assert names == ["step_00000003", "step_00000004"]


def test_tracker_and_log(trained):
    output, _ = trained
    records = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [0, 1, 2, 3]
    assert {"loss", "kd_loss", "lr", "images"} <= records[0].keys()
    assert list(output.rglob("events.out.tfevents.*"))


def test_a_folder_of_another_run_is_refused(trained):
    output, _ = trained
    with pytest.raises(ConfigError, match=r"other values of training\.lr; choose another output"):
        build(config(output, **SHORT, lr=0.3))
    build(config(output, epochs=1, save_every=1))  # how often to save is no part of what a run is


def test_a_torn_line_of_the_log_is_dropped(tmp_path):
    log = JsonLinesLog(tmp_path / "log.jsonl")
    for step in range(3):
        log.write({"step": step})
    with open(log.path, "a") as file:
        file.write('{"step": 3, "lo')
    log.rewind(2)
    log.write({"step": 2, "again": True})
    assert log.read() == [{"step": 0}, {"step": 1}, {"step": 2, "again": True}]


@pytest.mark.parametrize(
    "line", ["garbage", "null", "[]", "{}", '{"step": -1}', '{"step": "0"}', '{"step": 0, "loss": NaN}', "[" * 100_000]
)
def test_a_line_of_the_log_that_is_no_record_is_named(tmp_path, line):
    log = JsonLinesLog(tmp_path / "log.jsonl")
    log.path.write_text(f'{{"step": 0}}\n{line}\n{{"step": 2}}\n')
    for read in (log.read, lambda: log.rewind(1)):
        with pytest.raises(CheckpointError, match=r"log\.jsonl, line 2 is no record of a step: .*; delete that line"):
            read()
    assert len(log.path.read_text().splitlines()) == 3


def test_a_checkpoint_beyond_the_runs_end_is_refused(tmp_path):
    trainer = build(config(tmp_path, **SHORT))
    trainer.checkpoints.save(5)
    with pytest.raises(CheckpointError, match=r"step_00000005 is of step 5, but the run has 4 steps; delete"):
        trainer.run()


def test_a_run_that_another_process_trains_is_refused_before_anything_is_written(tmp_path):
    run = runs.SupernetRun(config(tmp_path / "run", **SHORT), small_splits(config(tmp_path)))
    with owned(run.folder.owner, "it"), pytest.raises(InUseError, match=r"the run .*run is in use .*another output"):
        run.train()
    assert list(run.folder.path.iterdir()) == []
