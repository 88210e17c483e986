"""A run goes on with the images that it began with, or says what became of them."""

import pytest
from networks import config
from PIL import Image

from alphanet_plugin import runs
from alphanet_plugin.errors import DataError


def test_what_was_held_out_stays_held_out(tmp_path):
    for part, count in (("train", 10), ("val", 2)):
        for name in "ab":
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (32, 32), (number, 0, 0)).save(tmp_path / "images" / part / name / f"{number}.png")
    data = {"name": "folder", "root": str(tmp_path / "images"), "search_fraction": 0.2, "augment": False}
    run = config(tmp_path / "run", data=data, training={"epochs": 1})
    runs.run_network(run)
    splits = runs.build_data(run)
    held, gone = splits.record.search, splits.record.train[0]
    (tmp_path / "images" / "train" / gone).unlink()
    with pytest.raises(DataError, match=rf"1 gone \({gone}\).*data\.on_change=accept"):
        runs.build_data(run)
    going_on = config(tmp_path / "run", data={**data, "on_change": "accept"}, training={"epochs": 1})
    kept = runs.build_data(going_on)
    assert [kept.source.names[place] for place in kept.search.positions] == list(held)
    assert len(kept.train) == 15
    (tmp_path / "run" / "images.json").unlink()
    with pytest.raises(DataError, match=r"images\.json"):
        runs.build_data(going_on)
