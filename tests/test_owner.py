"""One process at a time owns a run, a search or a tag; a dead one owns nothing."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
import without_models

from alphanet_plugin import owner
from alphanet_plugin.errors import InUseError
from alphanet_plugin.owner import Process, owned

OWN_AND_WAIT = """
import sys
from pathlib import Path
from alphanet_plugin.owner import owned
with owned(Path(sys.argv[1]), "the run r"):
    print("owned", flush=True)
    input()
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "r" / ".owner"


@pytest.fixture
def other(file):
    """Another process that owns it."""
    command = [sys.executable, "-c", OWN_AND_WAIT, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "owned\n"
        yield process
        process.kill()


def own(file):
    with owned(file, "the run r", "choose another output"):
        return json.loads(file.read_text())


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process.pid


def record(**changes):
    here = Process.current()
    return {**vars(here), "locked": False, "since": "2026-01-01 00:00:00", "command": "alphanet train", **changes}


def test_the_owner_is_written_and_goes_with_the_block(file):
    assert own(file)["pid"] == os.getpid()
    assert not file.exists()
    with pytest.raises(RuntimeError, match="stop"), owned(file, "the run r"):
        raise RuntimeError("stop")
    assert not file.exists()


def test_the_second_is_refused_with_the_first_ones_name(file, other):
    with pytest.raises(
        InUseError, match=rf"the run r is in use by process {other.pid} on .*; wait for it, or stop it, "
    ):
        own(file)
    other.communicate("\n")
    own(file)


def test_death_releases_it(file, other):
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert file.exists()
    assert own(file)["pid"] == os.getpid()


def test_this_process_is_refused_too(file):
    with owned(file, "the run r"):
        with pytest.raises(InUseError, match="by this very process"):
            own(file)
        refused = []

        def from_a_thread():
            try:
                own(file)
            except InUseError as error:
                refused.append(error)

        thread = threading.Thread(target=from_a_thread)
        thread.start()
        thread.join()
        assert refused


@pytest.mark.parametrize(
    "changes",
    [
        {"pid": "dead"},  # killed
        {"started": "1"},  # its number is another process's now
        {"boot": "before"},  # the machine was restarted
        {"namespace": "pid:[1]", "locked": True},  # a container that is no more, on this machine: its lock is free
        {"host": "elsewhere", "locked": True},  # the same
    ],
)
def test_an_owner_is_replaced_on_proof_of_its_death(file, changes):
    if {"boot", "locked"} & set(changes) and not Process.current().boot:
        pytest.skip("this system does not tell its starts apart")
    if changes.get("pid") == "dead":
        changes = {"pid": dead_process()}
    file.parent.mkdir()
    file.write_text(json.dumps(record(**changes)))
    assert own(file)["pid"] == os.getpid()


@pytest.mark.parametrize(
    "changes",
    [{"host": "elsewhere"}, {"host": "elsewhere", "boot": "another", "locked": True}, {"namespace": "pid:[1]"}],
)
def test_without_proof_it_is_refused_with_what_to_do(file, changes):
    file.parent.mkdir()
    file.write_text(json.dumps(record(pid=dead_process(), **changes)))
    message = rf"cannot tell whether it still runs; wait for it, or choose another output, .* delete {file}"
    with pytest.raises(InUseError, match=message):
        own(file)
    file.unlink()
    own(file)


@pytest.mark.parametrize("content", ["", "null", "[]", "{}", '{"pid": 1}', "[" * 10_000, '{"pid": "x"'])
def test_what_names_no_owner_is_nobodys(file, content):
    file.parent.mkdir()
    file.write_text(content)
    assert own(file)["pid"] == os.getpid()


def test_a_file_system_without_locks_goes_by_the_process_alone(file, other, monkeypatch):
    monkeypatch.setattr(owner, "_lock", lambda _: None)
    with pytest.raises(InUseError, match=f"process {other.pid} on"):
        own(file)
    other.kill()
    other.wait()
    own(file)


def test_of_many_at_once_one_owns_it(tmp_path):
    program = f"""{without_models.BEGINNING}
from pathlib import Path
from alphanet_plugin.errors import InUseError
from alphanet_plugin.owner import owned
input()
counter = Path(sys.argv[2])
for _ in range(200):
    try:
        with owned(Path(sys.argv[1]), "it"):
            counter.write_text(str(int(counter.read_text()) + 1))
            print("mine")
    except InUseError:
        pass
"""
    counter = tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", program, str(tmp_path / ".owner"), str(counter)]
    many = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    owned_in_all = sum(process.communicate("\n")[0].count("mine") for process in many)
    assert [process.returncode for process in many] == [0, 0, 0]
    assert int(counter.read_text()) == owned_in_all


def test_a_full_disk_leaves_no_owner(file, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: real(handle, content[:20]))
    with pytest.raises(OSError, match="No space left"):
        own(file)
    assert not file.exists()
    monkeypatch.undo()
    own(file)
