"""The tuner as NNI's dispatcher starts it: what fails ends the experiment, and a stop is no failure."""

import logging
import socket

import pytest

import alphanet_tuner
from alphanet_plugin.errors import CheckpointError


@pytest.fixture
def said():
    """(level, message) of each line that it writes into the dispatcher's log."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append((record.levelname, record.getMessage()))
    level = alphanet_tuner.logger.level
    alphanet_tuner.logger.addHandler(handler)
    alphanet_tuner.logger.setLevel(logging.INFO)
    yield lines
    alphanet_tuner.logger.removeHandler(handler)
    alphanet_tuner.logger.setLevel(level)


def test_what_fails_while_it_is_loaded_is_reported(said, tmp_path):
    reported = []
    alphanet_tuner.report_through(reported.append)
    try:
        with pytest.raises(CheckpointError):
            alphanet_tuner.EvolutionTuner(run=str(tmp_path)).update_search_space({})
    finally:
        alphanet_tuner.report_through(None)
    assert [level for level, _ in said] == ["ERROR"]
    assert reported == [said[0][1]]
    assert reported[0].startswith("the tuner failed: ")


def test_a_manager_that_has_gone_is_a_stop(said, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setenv("NNI_TUNER_COMMAND_CHANNEL", f"ws://{address}/tuner")
    with pytest.raises(SystemExit):
        alphanet_tuner.EvolutionTuner(run=tmp_path.name).update_search_space({})
    assert said == [("INFO", "the experiment was stopped while the tuner was at work")]
