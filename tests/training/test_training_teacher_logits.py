"""A teacher's logits on disk: whole, one's own, and made once."""

import errno

import pytest
import torch
from accelerate import Accelerator

from alphanet_plugin.errors import CheckpointError, StoreError
from alphanet_plugin.training import TeacherLogits, teacher_logits, weights_digest

KEY = {"teacher": "a", "views": 1}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(teacher_logits, "_PART", 4)


def images(draws):
    for first in range(0, len(draws), 3):
        yield torch.tensor(draws[first : first + 3]).view(-1, 1, 1, 1).float(), None


class Teacher:
    """Logits that tell the draw; it may be killed after some images."""

    def __init__(self, dies_after=None):
        self.seen, self.dies_after = [], dies_after

    def __call__(self, batch):
        if self.dies_after is not None and len(self.seen) >= self.dies_after:
            raise KeyboardInterrupt
        self.seen += batch.flatten().int().tolist()
        return torch.stack([batch.flatten(), 2 * batch.flatten()], dim=1)


def fill(folder, teacher, key=KEY, told=None):
    logits = TeacherLogits(folder, key, 10, 2)
    logits.fill(Accelerator(), teacher, images, told)
    return logits


def test_every_draw_is_asked_once_and_read_back(tmp_path):
    teacher, told = Teacher(), []
    logits = fill(tmp_path, teacher, told=lambda done, total: told.append((done, total)))
    assert teacher.seen == list(range(10))
    assert [logits[draw].tolist() for draw in range(10)] == [[draw, 2 * draw] for draw in range(10)]
    assert told[-1] == (10, 10)
    again = Teacher()
    fill(tmp_path, again)
    assert again.seen == []
    other = Teacher()
    assert fill(tmp_path, other, {**KEY, "teacher": "b"}).folder != logits.folder
    assert len(other.seen) == 10


def test_a_killed_fill_goes_on_with_what_is_missing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, Teacher(dies_after=6))
    again = Teacher()
    logits = fill(tmp_path, again)
    assert again.seen == [4, 5, 6, 7, 8, 9]
    assert logits[9].tolist() == [9, 18]
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]


def test_damaged_and_foreign_files_are_refused(tmp_path):
    logits = fill(tmp_path, Teacher())
    part = logits.folder / "part_00001.safetensors"
    part.write_bytes(part.read_bytes()[:-4])
    with pytest.raises(CheckpointError, match=r"cannot read the teacher's logits .*part_00001.*delete it"):
        fill(tmp_path, Teacher())
    with pytest.raises(CheckpointError, match="cannot read"):
        TeacherLogits(tmp_path, KEY, 10, 2)[5]
    foreign = fill(tmp_path / "other", Teacher(), {"teacher": "b"})
    part.write_bytes((foreign.folder / part.name).read_bytes())
    with pytest.raises(CheckpointError, match=r"part_00001\.safetensors holds logits of another teacher"):
        fill(tmp_path, Teacher())


def test_a_full_disk_says_what_to_do_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(teacher_logits, "save_file", full)
    with pytest.raises(StoreError, match=r"No space left on device; make room there, or set teacher\.cache"):
        fill(tmp_path, Teacher())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_weights_digest_tells_networks_apart():
    one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    assert weights_digest(one) != weights_digest(other)
    other.load_state_dict(one.state_dict())
    assert weights_digest(one) == weights_digest(other)
    assert weights_digest(one) != weights_digest(one.double())
