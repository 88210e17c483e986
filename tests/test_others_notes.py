"""What others print about themselves is left out by a verb and by every process that it starts, and by no other."""

import importlib
import logging
import os
import sys
import warnings

import pytest

import alphanet_plugin
from alphanet_plugin import others_notes
from alphanet_plugin.cli.main import main

NOTE = "No CUDA runtime is found, using CUDA_HOME='/usr/local'"


@pytest.fixture
def fresh_process(monkeypatch):
    """Import the package as a process does that has this environment: what that process would show of `NOTE`."""
    logger = logging.getLogger("torch.utils.cpp_extension")

    def start(**environment):
        monkeypatch.delenv(others_notes.MARK, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(logger, "filters", [])
        with warnings.catch_warnings():
            importlib.reload(alphanet_plugin)
        return logger.filter(logging.makeLogRecord({"msg": NOTE}))

    return start


def test_a_process_that_a_verb_started_hides_them(fresh_process):
    assert fresh_process()  # a library user's program
    assert not fresh_process(**{others_notes.MARK: "1"})


def test_a_verb_marks_the_processes_that_it_starts(monkeypatch, capsys):
    monkeypatch.setenv(others_notes.MARK, "")
    monkeypatch.delenv(others_notes.MARK)
    main(["models"])  # called by another program
    assert others_notes.MARK not in os.environ
    monkeypatch.setattr(sys, "argv", ["alphanet", "models"])
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    main()
    assert others_notes.MARK in os.environ
    assert capsys.readouterr().out
