"""A run goes on with the images that it began with, or says what became of them."""

import pytest
from networks import config
from PIL import Image

from alphanet_plugin import runs
from alphanet_plugin.config import RunConfig, from_dict
from alphanet_plugin.errors import DataError, SearchError


def write_images(root):
    for part, count in (("train", 10), ("val", 2)):
        for name in "ab":
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (32, 32), (number, 0, 0)).save(root / part / name / f"{number}.png")


def test_what_was_held_out_stays_held_out(tmp_path):
    write_images(tmp_path / "images")
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


def test_training_goes_on_with_the_images_that_are_left(tmp_path):
    write_images(tmp_path / "images")
    data = {"name": "folder", "root": str(tmp_path / "images"), "search_fraction": 0.2, "augment": False}
    first = config(tmp_path / "run", data=data, training={"epochs": 3, "batch_size": 4, "save_every": 1})

    def stop(record):
        if record["step"] == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.run_network(first, on_step=stop)
    for gone in runs.build_data(first).record.train[:2]:
        (tmp_path / "images" / "train" / gone).unlink()
    training = {"epochs": 3, "batch_size": 4, "save_every": 1}
    going_on = config(tmp_path / "run", data={**data, "on_change": "accept"}, training=training)
    steps = []
    runs.run_network(going_on, on_step=lambda record: steps.append(record["step"]))
    assert steps == [5, 6, 7, 8]  # of 3 epochs of 14 // 4, where 16 // 4 would have made 12


def test_searches_before_and_after_images_went_are_not_mixed(tmp_path):
    values = {"name": "folder", "root": str(tmp_path / "images"), "search_fraction": 0.2, "augment": False}
    write_images(tmp_path / "images")
    output = {"output": str(tmp_path / "run"), "space": {"name": "us_mobilenet_v2", "resolutions": [16]}}
    loop = {"epochs": 1, "batch_size": 8, "warmup_epochs": 0}
    run = from_dict(RunConfig, {**output, "data": {**values, "image_size": 16}, "training": loop})
    runs.run_supernet(run)
    accepted = ["data.on_change=accept"]
    before = runs.search_fingerprint(runs.open_run(run.output))
    assert runs.search_fingerprint(runs.open_run(run.output, accepted)) == before
    runs.open_history(runs.open_run(run.output)).close()
    held = runs.build_data(run).record.search
    Image.new("RGB", (32, 32)).save(tmp_path / "images" / "train" / "a" / "new.png")  # nothing uses it
    assert runs.search_fingerprint(runs.open_run(run.output, accepted)) == before
    (tmp_path / "images" / "train" / held[0]).unlink()
    with pytest.raises(SearchError, match="accepted_changes_of_images was absent, is "):
        runs.open_history(runs.open_run(run.output, accepted))
    (tmp_path / "run" / "search.jsonl").unlink()  # as the message says
    runs.open_history(runs.open_run(run.output, accepted)).close()
    Image.new("RGB", (32, 32), (9, 9, 9)).save(tmp_path / "images" / "train" / held[1])
    with pytest.raises(SearchError, match="accepted_changes_of_images was "):
        runs.open_history(runs.open_run(run.output, accepted))
