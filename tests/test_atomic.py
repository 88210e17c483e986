"""Files and folders appear whole or not at all, and what a killed writer left is removed by the next."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alphanet_plugin import atomic
from alphanet_plugin.atomic import atomic_file, atomic_folder, commit_folder, name_beside, remove_leftovers
from alphanet_plugin.training import JsonLinesLog

KILLED_IN_A_FILE = """
import os, signal, sys
from pathlib import Path
from alphanet_plugin.atomic import atomic_file
with atomic_file(Path(sys.argv[1])) as beside:
    beside.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
KILLED_BETWEEN_TWO_RENAMES = """
import os, signal, sys
from pathlib import Path
from alphanet_plugin import atomic
atomic._exchange = lambda *_: False
real = os.replace
def replace(source, target):
    if str(source).endswith(".tmp"):
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target)
os.replace = replace
with atomic.atomic_folder(Path(sys.argv[1])) as beside:
    (beside / "new").write_text("new")
"""


def kill_in(program, path):
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write_folder(path, text="new"):
    with atomic_folder(path) as beside:
        (beside / text).write_text(text)


def test_what_a_killed_writer_left_is_removed_by_the_next_of_any_name(tmp_path):
    kill_in(KILLED_IN_A_FILE, tmp_path / "log.jsonl")
    assert len(names(tmp_path)) == 1
    with atomic_file(tmp_path / "other") as beside:
        beside.write_text("whole")
    assert names(tmp_path) == ["other"]


def test_a_folder_moved_away_by_a_killed_writer_comes_back(tmp_path):
    model = tmp_path / "model"
    write_folder(model, "old")
    kill_in(KILLED_BETWEEN_TWO_RENAMES, model)
    assert not model.exists()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["model"]
    assert names(model) == ["old"]


def test_what_a_living_writer_has_there_stays(tmp_path):
    path = tmp_path / "a"
    with atomic_folder(path) as one, atomic_folder(path) as two, atomic_file(path) as three:
        assert len({one, two, three}) == 3
        three.write_text("three")
        remove_leftovers(tmp_path)
        assert one.is_dir()
        assert three.is_file()


@pytest.mark.parametrize(
    "name",
    [".a.tag.7.tmp", ".a.tag.7.old", ".a.png.7.part", ".step_00000008.tmp", ".a.0123abcd-7-99-89abcdef.tmp"],
)
def test_what_nobody_knows_the_writer_of_is_removed_when_it_is_a_day_old(tmp_path, name):
    left = tmp_path / name
    left.mkdir()
    (left / "weights").write_text("")
    (tmp_path / "a.tag").mkdir()
    remove_leftovers(tmp_path)
    assert left.exists()
    before = time.time() - 2 * 24 * 60 * 60
    os.utime(left, (before, before))
    remove_leftovers(tmp_path)
    assert left.exists()  # a file in it is newer
    os.utime(left / "weights", (before, before))
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["a.tag"]


def test_other_names_stay(tmp_path):
    old = time.time() - 2 * 24 * 60 * 60
    for name in (".owner", ".cache.tmp", "a.7.tmp", ".a.tmp", ".gitignore", ".a.seven.old"):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (old, old))
    before = names(tmp_path)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == before


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_replaces_another_whole(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    model = tmp_path / "model"
    write_folder(model, "old")
    write_folder(model, "new")
    assert names(tmp_path) == ["model"]
    assert names(model) == ["new"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="renameat2")
def test_at_no_moment_is_there_no_folder(tmp_path, monkeypatch):
    model = tmp_path / "model"
    write_folder(model, "old")
    monkeypatch.setattr(os, "replace", lambda *_: pytest.fail("a rename leaves a moment without it"))
    write_folder(model, "new")
    assert names(model) == ["new"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="renameat2")
def test_what_another_process_puts_there_meanwhile_is_replaced_in_one_step(tmp_path, monkeypatch):
    model, beside = tmp_path / "model", name_beside(tmp_path / "model")
    beside.mkdir()
    real = os.replace

    def replace(source, target):
        assert source == beside, "a rename of the other's leaves a moment without it"
        (model / "others").mkdir(parents=True)
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    commit_folder(beside, model)
    assert names(model) == []


def test_a_failed_commit_leaves_what_stood_there(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    model, beside = tmp_path / "model", name_beside(tmp_path / "model")
    write_folder(model, "old")
    beside.mkdir()
    real = os.replace

    def replace(source, target):
        if source == beside:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="No space left"):
        commit_folder(beside, model)
    assert names(model) == ["old"]


@pytest.mark.parametrize("writes", [atomic_file, atomic_folder])
def test_a_full_disk_names_the_file(tmp_path, writes):
    """The system does not, where an open file takes no more."""
    with pytest.raises(OSError, match=r"No space left on device: '.*wanted'"), writes(tmp_path / "wanted"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match=r"No space left on device: '.*other'"), writes(tmp_path / "wanted"):
        raise OSError(errno.ENOSPC, "No space left on device", "other")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_a_log_on_a_full_disk_names_its_file():
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"):
        JsonLinesLog(Path("/dev/full")).write({"step": 0})


def test_a_block_that_fails_leaves_nothing(tmp_path):
    def fail():
        with atomic_folder(tmp_path / "model") as beside:
            (beside / "half").write_text("")
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fail()
    assert names(tmp_path) == []
