"""What the launcher says, and what a tracker is given."""

import pytest
from accelerate import tracking as accelerate_tracking
from accelerate.utils import LoggerType

from alphanet_plugin.config import RunConfig, from_dict
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.runs import accelerator as of_runs
from alphanet_plugin.runs import forget_accelerator, run_supernet, tracked

CONFIG = {
    "output": "run", "space": {"name": "us_mobilenet_v2", "resolutions": [16]},
    "data": {"image_size": 16}, "training": {"epochs": 1, "warmup_epochs": 0},
}  # fmt: skip


def config(output, **training):
    return from_dict(RunConfig, {**CONFIG, "output": str(output), "training": {**CONFIG["training"], **training}})


@pytest.fixture(autouse=True)
def forgotten():
    """No test leaves its precision to the next one of this process."""
    yield
    forget_accelerator()


@pytest.fixture
def launched(monkeypatch):
    """Settings of a run without a tracker under what `accelerate launch` sets, and what is said about them."""

    def complete(launcher_precision, launcher_accumulate, **training):
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", launcher_precision)
        monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", str(launcher_accumulate))
        done = of_runs.with_launch_flags(config("run", tracker=None, **training).training)
        return done.mixed_precision, done.accumulate

    return complete


def test_the_launcher_holds_where_the_configuration_is_silent(launched, caplog):
    assert launched("bf16", 4) == ("bf16", 4)
    assert launched("no", 1) == ("no", 1)
    assert caplog.messages == []


def test_the_configuration_holds_and_the_conflict_is_named(launched, caplog):
    assert launched("bf16", 4, mixed_precision="fp16", accumulate=2) == ("fp16", 2)
    precision, accumulate = caplog.messages
    assert precision == "training.mixed_precision=fp16 holds, though `accelerate launch` says bf16"
    assert accumulate == "training.accumulate=2 holds, though `accelerate launch` says 4"


def test_what_agrees_is_no_conflict(launched, caplog):
    assert launched("bf16", 4, mixed_precision="bf16", accumulate=4) == ("bf16", 4)
    assert caplog.messages == []


def test_a_precision_that_runs_do_not_have_is_named(launched):
    with pytest.raises(ConfigError, match="says mixed precision fp8; runs take one of no, bf16, fp16"):
        launched("fp8", 1)
    assert launched("fp8", 1, mixed_precision="no") == ("no", 1)


@pytest.mark.parametrize(("tracker", "cure"), [("tensorboard", r"\.\[tensorboard\]"), ("wandb", "pip install wandb")])
def test_a_tracker_that_is_not_installed_stops_before_the_first_step(tmp_path, monkeypatch, tracker, cure):
    monkeypatch.setattr(accelerate_tracking, "get_available_trackers", list)
    monkeypatch.setattr(of_runs, "find_spec", lambda name: None)  # noqa: ARG005
    steps = []
    with pytest.raises(ConfigError, match=rf"training\.tracker: {tracker} is not installed; .*{cure}"):
        run_supernet(config(tmp_path / "run", tracker=tracker), on_step=steps.append)
    with (
        pytest.raises(ConfigError, match=f"{tracker} is not installed"),
        tracked(config(tmp_path, tracker=tracker), "search"),
    ):
        pass
    assert steps == []


@pytest.fixture
def wandb(monkeypatch):
    """Calls of a stand-in for a tracker's package, as Accelerate makes them."""
    calls = []

    class Fake(accelerate_tracking.GeneralTracker):
        name = "wandb"
        requires_logging_directory = False

        def __init__(self, project, **options):
            super().__init__()
            calls.append(("start", project, options))

        @property
        def tracker(self):
            return self

        def store_init_configuration(self, values):
            calls.append(("config", values))

        def log(self, values, step=None, **_):
            calls.append(("log", values, step))

        def finish(self):
            calls.append(("finish",))

    monkeypatch.setitem(accelerate_tracking.LOGGER_TYPE_TO_CLASS, "wandb", Fake)
    available = accelerate_tracking.get_available_trackers()
    monkeypatch.setattr(accelerate_tracking, "get_available_trackers", lambda: [*available, LoggerType.WANDB])
    return calls


@pytest.mark.parametrize("before", ["in a fresh process", "after a run of this process"])
def test_figures_of_a_search_come_with_the_run_s_name_and_whole_configuration(tmp_path, wandb, before):
    run = config(tmp_path / "run", tracker="wandb", lr=0.25, mixed_precision="bf16")
    forget_accelerator()
    if before == "after a run of this process":
        of_runs.open_accelerator(run.training, run.output, ddp=None)
    with tracked(run, "search") as track:
        track({"top1": 90.0}, 3)
        track({"mflops": 2}, None)
    (start, values, first, second, end) = wandb
    assert start == ("start", "alphanet", {"name": f"{run.output} search"})
    assert values[1]["training.lr"] == 0.25
    assert values[1]["space.name"] == "us_mobilenet_v2"
    assert values[1]["output"] == run.output
    assert (first, second) == (("log", {"search/top1": 90.0}, 3), ("log", {"search/mflops": 2}, None))
    assert end == ("finish",)
    forget_accelerator()


def test_tensorboard_has_them_too(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = config(tmp_path / "run", tracker="tensorboard")
    with tracked(run, "search") as track:
        track({"top1": 90.5}, 3)
    (folder,) = {path.parent for path in tmp_path.rglob("events.out.*") if path.parent.name == "alphanet"}
    read = events.EventAccumulator(str(folder))
    read.Reload()
    assert [(one.step, one.value) for one in read.Scalars("search/top1")] == [(3, 90.5)]


def test_without_a_tracker_nothing_is_opened(tmp_path):
    with tracked(config(tmp_path / "run", tracker=None), "search") as track:
        track({"top1": 90.0}, 3)
    assert not (tmp_path / "run").exists()
