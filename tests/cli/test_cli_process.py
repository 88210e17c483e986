"""How the program's threads wait for each other."""

import io
import logging
import os
import subprocess
import sys
import warnings

import pytest

import alphanet_launcher
from alphanet_plugin.cli import main as cli_main
from alphanet_plugin.cli import process
from alphanet_plugin.others_notes import MARK

NAMES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")


@pytest.fixture(params=["the console script", "python -m"])
def waiting(request, monkeypatch):
    """Given an environment: what the program computes in."""

    def start(**environment):
        for name in NAMES:
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if request.param == "python -m":
            monkeypatch.setattr(os, "execv", lambda *_: None)
            process.restart_with_patient_threads()
        else:
            monkeypatch.setattr(cli_main, "main", lambda: 0)
            alphanet_launcher.main()
        return {name: os.environ[name] for name in NAMES if name in os.environ}

    yield start
    for name in NAMES:  # what the program has set
        monkeypatch.delenv(name, raising=False)


def test_threads_hardly_spin(waiting):
    assert waiting() == {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}


@pytest.mark.parametrize("environment", [{"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_NUM_THREADS": "1"}], ids=str)
def test_the_environment_comes_first(waiting, environment):
    assert waiting(**environment) == environment


def test_it_starts_again_once(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os\n"
        "from alphanet_plugin.cli.process import restart_with_patient_threads\n"
        "print('started', flush=True)\n"
        "restart_with_patient_threads()\n"
        "print(os.environ['OMP_WAIT_POLICY'])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    done = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["started", "started", "PASSIVE"]


def test_a_line_goes_into_a_pipe_when_it_is_printed(monkeypatch):
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe))
    monkeypatch.setattr(sys, "argv", ["alphanet", "--version"])
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setenv(MARK, "")
    with pytest.raises(SystemExit):
        cli_main.main()
    print("trained")
    assert pipe.getvalue().splitlines()[1:] == [b"trained"]


def test_logs_go_above_a_progress_bar(monkeypatch):
    handler = process.StderrHandler()  # as of the start, before there is a bar
    bar = io.StringIO()
    monkeypatch.setattr(sys, "stderr", bar)  # as rich does while it draws one
    handler.emit(logging.makeLogRecord({"msg": "no ImageNet weights"}))
    assert bar.getvalue() == "no ImageNet weights\n"


def test_a_warning_is_one_line_without_its_place(tmp_path):
    """In the program itself; who calls `main` keeps their own format."""
    model = tmp_path / "models" / "alphanet_a0.mine"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"x")
    environment = {**os.environ, "ALPHANET_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "alphanet_plugin", "models"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    (line,) = [
        line for line in done.stderr.splitlines() if not line.startswith(("loading torch", "alphanet models ..."))
    ]
    assert line.startswith(f"alphanet: warning: left out of the store: {model} (")
    assert line.endswith("publish it again or delete it")
