import contextlib
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, replace
from functools import partial

import pytest

from alphanet_plugin import get_space, owner
from alphanet_plugin.errors import SearchError
from alphanet_plugin.owner import Process
from alphanet_plugin.search import Evaluated, HistoryEntry, SearchHistory, check_evaluated, read_history

SPACE = get_space("attentive_nas")
FINGERPRINT = {"space": SPACE.to_config(), "checkpoint": "abc", "num_classes": 10, "evaluation": {"batch_size": 64}}


def entry(preset, top1=50.0, **metrics):
    arch = SPACE.presets[preset]
    return HistoryEntry(Evaluated(arch, SPACE.mflops(arch, 10), {"top1": top1, **metrics}), 0, "preset")


ENTRIES = [entry("a0", 0.1 + 0.2, loss=1 / 3), entry("a1", 60.0), entry("a6", 70.0)]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "deep" / "search.jsonl"
    with SearchHistory(path, FINGERPRINT) as history:
        for item in ENTRIES:
            history.record(item)
    return path


def test_entries_come_back_exactly(path):
    with SearchHistory(path, FINGERPRINT) as history:
        assert list(history) == ENTRIES
        assert len(history) == 3
        assert history.get(SPACE.presets["a1"]) == ENTRIES[1]
        assert history.get(SPACE.presets["a2"]) is None
    assert read_history(path) == (json.loads(json.dumps(FINGERPRINT)), ENTRIES)


def test_it_is_json_lines(path):
    header, first, *_ = map(json.loads, path.read_text().splitlines())
    assert header["fingerprint"]["checkpoint"] == "abc"
    assert first == {
        "arch": SPACE.presets["a0"].to_dict(),
        "mflops": ENTRIES[0].evaluated.mflops,
        "metrics": {"top1": 0.1 + 0.2, "loss": 1 / 3},
        "round": 0,
        "origin": "preset",
    }


def test_a_result_is_in_the_file_as_soon_as_it_is_recorded(tmp_path):
    with SearchHistory(tmp_path / "h.jsonl", FINGERPRINT) as history:
        history.record(ENTRIES[0])
        assert read_history(history.path)[1] == ENTRIES[:1]


def test_nan_of_an_unranked_metric_survives(tmp_path):
    with SearchHistory(tmp_path / "h.jsonl", FINGERPRINT) as history:
        history.record(entry("a0", loss=math.nan, worst=-math.inf))
    metrics = read_history(tmp_path / "h.jsonl")[1][0].evaluated.metrics
    assert math.isnan(metrics["loss"])
    assert metrics["worst"] == -math.inf
    assert "NaN" not in (tmp_path / "h.jsonl").read_text()


def test_another_fingerprint_is_refused_and_told_apart(path):
    before = path.read_bytes()
    other = {"space": {**SPACE.to_config(), "resolutions": (32,)}, "checkpoint": "abc", "num_classes": 10, "new": True}
    with pytest.raises(SearchError) as caught:
        SearchHistory(path, other)
    message = str(caught.value)
    assert "space.resolutions was [192, 224, 256, 288], is [32]" in message
    assert "evaluation.batch_size was 64, is absent" in message
    assert "new was absent, is true" in message
    assert "another file" in message
    assert "delete" in message
    assert "checkpoint" not in message
    assert path.read_bytes() == before


def test_a_file_cut_anywhere_keeps_its_whole_lines(path):
    content = path.read_bytes()
    ends = [number + 1 for number, byte in enumerate(content) if byte == ord("\n")]
    near_ends = {end + shift for end in [0, *ends] for shift in range(-2, 3)}
    for cut in sorted({*range(0, len(content), 25), *near_ends} & set(range(len(content)))):
        path.write_bytes(content[:cut])
        whole = sum(end <= cut for end in ends) - 1
        with SearchHistory(path, FINGERPRINT) as history:
            assert list(history) == ENTRIES[: max(whole, 0)]
            assert path.stat().st_size == max([ends[0], *(end for end in ends if end <= cut)])
            history.record(entry("a5"))
        assert read_history(path)[1] == [*ENTRIES[: max(whole, 0)], entry("a5")]


@pytest.mark.parametrize(
    "damage",
    [
        b'{"arch": {"resol',
        b"\x00\x00\xff",
        b"[]",
        b"",
        b'{"arch": {"resolution": "x"}, "mflops": 1, "metrics": {}, "round": 0, "origin": "random"}',
        b'{"arch": {"resolution": 1}, "mflops": 1, "metrics": 5, "round": 0, "origin": "random"}',
        b'{"arch": {"resolution": 1}, "mflops": 1, "metrics": {}, "round": 0, "origin": "sky"}',
        b'{"arch": {"resolution": 1}, "mflops": 1, "metrics": {"top1": NaN}, "round": 0, "origin": "random"}',
        b'{"arch": {"resolution": 1}, "mflops": Infinity, "metrics": {}, "round": 0, "origin": "random"}',
        b'{"arch": {"resolution": 1}, "mflops": 1e999, "metrics": {}, "round": 0, "origin": "random"}',
        b'{"arch": {"resolution": 1}, "mflops": -1, "metrics": {}, "round": 0, "origin": "random"}',
        b'{"arch": {"resolution": 1}, "mflops": 1, "metrics": {}, "round": -1, "origin": "random"}',
        b'{"arch": {"resolution": 1}, "mflops": 1, "metrics": {}, "share": 2, "round": 0, "origin": "random"}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_line_is_named(path, damage):
    lines = path.read_bytes().split(b"\n")
    lines[2] = damage
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(SearchError, match=r"search\.jsonl, line 3 is damaged"):
        SearchHistory(path, FINGERPRINT)
    with pytest.raises(SearchError, match="line 3"):
        read_history(path)
    assert path.read_bytes() == b"\n".join(lines)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record.update(mflops=1e6), "mflops is 1e"),
        (lambda record: record["arch"].update(resolution=37), "resolution"),
        (lambda record: record["arch"].pop("resolution"), "resolution"),
        (lambda record: record["arch"].update(height=3), "height"),
        (lambda record: record["metrics"].update(top1=1e4), "top1 is 10000, outside 0 to 100"),
        (lambda record: record["metrics"].update(loss=-1.0), "loss is -1, outside 0"),
    ],
)
def test_what_cannot_have_been_evaluated_is_named(path, change, said):
    check = partial(check_evaluated, space=SPACE, num_classes=10)
    SearchHistory(path, FINGERPRINT, check=check).close()
    lines = path.read_text().split("\n")
    record = json.loads(lines[2])
    change(record)
    lines[2] = json.dumps(record)
    path.write_text("\n".join(lines))
    with pytest.raises(SearchError, match=rf"line 3 is damaged \(.*{said}.*delete that line"):
        SearchHistory(path, FINGERPRINT, check=check)


def test_the_second_search_is_refused_with_the_first_ones_name(tmp_path):
    path = tmp_path / "search.jsonl"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True) as other:
        first = replace(Process.current(), pid=other.pid, started=owner._started(other.pid))
        record = {**asdict(first), "locked": False, "since": "2026-01-01 00:00:00", "command": "alphanet search"}
        (tmp_path / ".search.jsonl.owner").write_text(json.dumps(record))
        with pytest.raises(SearchError, match=rf"search\.jsonl is in use by process {other.pid} on .*; wait for it"):
            SearchHistory(path, {})
        other.communicate("\n")
    SearchHistory(path, {}).close()
    assert [path.name for path in tmp_path.iterdir()] == ["search.jsonl"]


@pytest.mark.parametrize("content", [b"a letter to a friend", b"some\nlines\n", b'{"format": 1}', b"\n", b"{}\n[]\n"])
def test_a_file_that_is_no_history_is_left_alone(tmp_path, content):
    path = tmp_path / "letter.txt"
    path.write_bytes(content)
    with pytest.raises(SearchError, match="does not start like a search history"):
        SearchHistory(path, FINGERPRINT)
    assert path.read_bytes() == content


def test_a_folder_or_a_missing_file_is_told(tmp_path):
    with pytest.raises(SearchError, match="cannot be opened: Is a directory"):
        SearchHistory(tmp_path, FINGERPRINT)
    with pytest.raises(SearchError, match="cannot be read: No such file"):
        read_history(tmp_path / "none.jsonl")


def owner_of(path):
    """The file that a history's process holds locked."""
    return path.with_name(f".{path.name}.owner")


LOCK_AND_WAIT = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
input()
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX locks")
def test_one_process_at_a_time(path):
    command = [sys.executable, "-c", LOCK_AND_WAIT, str(owner_of(path))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(SearchError, match="in use by another process"):
            SearchHistory(path, FINGERPRINT)
        other.communicate("\n")
    SearchHistory(path, FINGERPRINT).close()


@pytest.mark.skipif(os.name == "nt", reason="POSIX locks")
def test_an_open_history_is_locked(path):
    code = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    command = [sys.executable, "-c", code, str(owner_of(path))]
    with SearchHistory(path, FINGERPRINT):
        assert b"BlockingIOError" in subprocess.run(command, capture_output=True, check=False).stderr
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def file_size_limit(size):
    """Stands for a full disk: a write stops in the middle of a line with an OSError."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_loses_nothing_that_was_there(path):
    before = path.read_bytes()
    with SearchHistory(path, FINGERPRINT) as history:
        with file_size_limit(len(before) + 50), pytest.raises(SearchError) as caught:
            history.record(entry("a5"))
        assert "cannot be written: File too large; its 3 results are safe" in str(caught.value)
        assert path.read_bytes() == before
        assert len(history) == 3
        history.record(entry("a5"))
    assert read_history(path)[1] == [*ENTRIES, entry("a5")]


def test_a_disk_too_full_to_start_on(tmp_path):
    with file_size_limit(20), pytest.raises(SearchError, match="cannot be written"):
        SearchHistory(tmp_path / "h.jsonl", FINGERPRINT)
    SearchHistory(tmp_path / "h.jsonl", FINGERPRINT).close()
    assert read_history(tmp_path / "h.jsonl")[1] == []
