"""Which images are held out: chosen by name, written down when a run begins, and kept."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alphanet_plugin.data import SplitRecord, build_splits
from alphanet_plugin.errors import DataError


def write_folder(root: Path, classes="abcd", train=30, test=1) -> Path:
    for part, count in (("train", train), ("val", test)):
        for name in classes:
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (8, 8), (number, 0, 0)).save(root / part / name / f"{number}.png")
    return root


def names(part) -> set[str]:
    return {part.source.names[position] for position in part.positions}


def split(root, **options):
    return build_splits("folder", root, image_size=8, **options)


@pytest.fixture
def begun(tmp_path):
    """A folder, its splits, and their record as a run reads it back."""
    root = write_folder(tmp_path / "images")
    splits = split(root)
    splits.record.write(tmp_path / "images.json", splits.source)
    return root, splits, SplitRecord.read(tmp_path / "images.json")


def test_one_image_less_moves_no_other(begun):
    root, before, _ = begun
    for name in sorted(names(before.train))[::40]:
        (root / "train" / name).unlink()
        after = split(root)
        assert not names(after.search) & names(before.train)


def test_one_image_more_moves_one_at_most(begun):
    root, before, _ = begun
    Image.new("RGB", (8, 8)).save(root / "train" / "b" / "another.png")
    assert len(names(split(root).search) & names(before.train)) <= 1


def test_the_record_is_the_split(begun):
    _, splits, record = begun
    assert set(record.search) == names(splits.search)
    assert set(record.train) == names(splits.train)
    assert record.digest == splits.record.digest
    assert record.class_names == splits.class_names == ("a", "b", "c", "d")


def test_the_record_comes_before_shares_and_seeds(begun):
    root, splits, record = begun
    again = split(root, record=record, search_fraction=0.5, seed=9)
    assert again.search.positions.tolist() == splits.search.positions.tolist()
    assert again.train.positions.tolist() == splits.train.positions.tolist()


def remove(root, splits):
    (root / "train" / sorted(names(splits.train))[0]).unlink()


def add(root, splits):  # noqa: ARG001
    Image.new("RGB", (8, 8)).save(root / "train" / "a" / "late.png")


def change(root, splits):
    Image.new("RGB", (8, 8), (0, 99, 0)).save(root / "train" / sorted(names(splits.search))[0])


@pytest.mark.parametrize(("act", "said"), [
    (remove, r"1 gone \(a/0\.png\)"), (add, r"1 new \(a/late\.png\)"), (change, r"1 changed \([abcd]/\d+\.png\)"),
])  # fmt: skip
def test_a_folder_that_changed_is_named_and_going_on_is_asked_for(begun, act, said):
    root, before, record = begun
    act(root, before)
    with pytest.raises(DataError, match=said + r".*data\.on_change=accept"):
        split(root, record=record)
    after = split(root, record=record, on_change="accept")
    assert names(after.search) <= names(before.search)
    assert names(after.train) <= names(before.train)
    assert len(after.train) + len(after.search) == 120 - (act is remove)


def test_the_same_images_elsewhere_are_the_same(begun, tmp_path):
    root, before, record = begun
    root.rename(tmp_path / "elsewhere")
    assert names(split(tmp_path / "elsewhere", record=record).search) == names(before.search)


def test_other_classes_are_refused_whatever_was_asked(begun):
    root, _, record = begun
    for part in ("train", "val"):
        (root / part / "d").rename(root / part / "e")
    with pytest.raises(DataError, match="other classes than when the run began: d gone, e new"):
        split(root, record=record, on_change="accept")


@pytest.mark.parametrize("spoil", [
    lambda values: values["search"].pop(next(iter(values["search"]))),
    lambda values: values["train"].update(values["search"]),
    lambda values: values["class_names"].reverse(),
    lambda values: values.update(search=3),
    lambda values: values.pop("train"),
])  # fmt: skip
@pytest.mark.usefixtures("begun")
def test_a_record_that_was_edited_is_refused(tmp_path, spoil):
    values = json.loads((tmp_path / "images.json").read_text())
    spoil(values)
    (tmp_path / "images.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match=r"images\.json"):
        SplitRecord.read(tmp_path / "images.json")


def test_runs_without_a_record_hold_out_what_they_did(tmp_path):
    """By place among JPEGs and PNGs, as published runs chose."""
    root = write_folder(tmp_path, classes="ab", train=10)
    Image.new("RGB", (8, 8)).save(root / "train" / "a" / "0.bmp")
    splits = split(root, first_rule=True, search_count=4)
    rng = np.random.default_rng(0)
    wanted = np.concatenate([rng.permutation(np.arange(10))[:2], 10 + rng.permutation(np.arange(10))[:2]])
    assert splits.search.positions.tolist() == sorted(wanted.tolist())
    assert len(splits.train) == 16
    assert len(split(root, search_count=4).train) == 17


ALIKE = ("A", "a", "01", "1", "001", "b2", "B2", "B02")


def test_class_order_is_one_whatever_order_the_disk_has(tmp_path, monkeypatch):
    """timm's order alone leaves names that differ only in case or leading zeros to hash seeds."""
    root = write_folder(tmp_path, classes=ALIKE, train=2)
    walk = os.walk
    orders = []
    for seed in range(5):

        def shuffled(*args, seed=seed, **options):
            rng = np.random.default_rng(seed)
            for where, folders, files in walk(*args, **options):
                rng.shuffle(folders)
                rng.shuffle(files)
                yield where, folders, files

        monkeypatch.setattr("os.walk", shuffled)
        splits = split(root, search_count=2)
        orders.append((splits.class_names, splits.record.digest, splits.source.labels.tolist()))
    assert all(order == orders[0] for order in orders)
    assert orders[0][0] == ("001", "01", "1", "A", "a", "B02", "B2", "b2")


def test_digits_and_published_sets_have_a_record_too(tmp_path):
    splits = build_splits("digits", image_size=8)
    splits.record.write(tmp_path / "images.json", splits.source)
    record = SplitRecord.read(tmp_path / "images.json")
    assert (len(record.train), len(record.search)) == (1078, 359)
    again = build_splits("digits", image_size=8, record=record, seed=5)
    assert again.search.positions.tolist() == splits.search.positions.tolist()
    with pytest.raises(DataError, match="1 gone"):
        build_splits("digits", image_size=8, record=replace(record, train=(*record.train, "1797")))
