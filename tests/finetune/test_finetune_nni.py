"""`alphanet finetune` with NNI's own manager, as a user starts it, and killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from transfers import on_photographs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def start(asked, folder):
    (folder / "home").mkdir(exist_ok=True)
    environment = {**os.environ, "HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    with open(folder / "log", "a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "alphanet_plugin", *asked], cwd=folder, env=environment, stdout=log, stderr=log
        )


def managers(folder):
    """NNI's managers of the transfer in `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if "--experiments-directory" in command and str(folder) in " ".join(command):
            found.append(process)
    return found


def wait_for(what, process, folder, seconds=400):
    for _ in range(10 * seconds):
        if what():
            return
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        time.sleep(0.1)
    pytest.fail((folder / "log").read_text()[-3000:])


def test_killed_in_the_search_it_goes_on_to_the_end(network, photographs, tmp_path):
    output = tmp_path / "out"
    long_enough_to_be_killed = "training.epochs=30"
    asked = [
        *on_photographs(network, output, photographs, long_enough_to_be_killed), "--trials", "3", "--concurrency", "2",
    ]  # fmt: skip
    first = start(asked, tmp_path)
    try:
        wait_for(lambda: list(output.glob("trials/*/checkpoints/step_*")), first, tmp_path)
        first.send_signal(signal.SIGKILL)
        first.wait()
        before = {path.parent.name: path.read_text() for path in output.glob("trials/*/parameters.json")}
        again = start(asked, tmp_path)
        assert again.wait(timeout=600) == 0, (tmp_path / "log").read_text()[-3000:]
    finally:
        for process in managers(tmp_path):
            process.kill()
            pytest.fail("a manager was left running")
    for name, parameters in before.items():
        assert (output / "trials" / name / "parameters.json").read_text() == parameters
    found = json.loads((output / "results.json").read_text())
    assert [trial["trial"] for trial in found["trials"]] == [0, 1, 2]
    assert found["final"]["test_count"] == 9
    assert (output / "trials.png").is_file()
    assert (output / "final/model/model.safetensors").is_file()


def test_trials_that_fail_end_it_with_their_complaint(network, photographs, tmp_path):
    asked = [*on_photographs(network, tmp_path / "out", photographs, "training.optimizer=sdg"), "--trials", "2"]
    process = start(asked, tmp_path)
    assert process.wait(timeout=600) == 2
    log = (tmp_path / "log").read_text()
    assert "trials fail, the first with" in log
    assert "'sdg' is none of timm's" in log
    assert not managers(tmp_path)


def test_asked_to_end_it_takes_its_manager_along(network, photographs, tmp_path):
    asked = [*on_photographs(network, tmp_path / "out", photographs), "--trials", "3"]
    process = start(asked, tmp_path)
    wait_for(lambda: managers(tmp_path), process, tmp_path)
    process.terminate()
    process.wait(timeout=120)
    wait_for(lambda: not managers(tmp_path), SimpleProcess(), tmp_path, seconds=60)


class SimpleProcess:
    """One that has not ended."""

    def poll(self):
        return None
