"""Configurations for people's own pictures, as written but for sizes."""

import json
import re

import numpy as np
import pytest
import timm
from PIL import Image

from alphanet_plugin import runs
from alphanet_plugin.cli.main import main
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.runs import read_config

SUFFIXES = ("jpg", "png", "webp")
SMALL = {
    "space.resolutions": [16, 24, 32, 40], "data.image_size": 40, "data.workers": 0, "training.epochs": 1,
    "training.warmup_epochs": 0, "training.batch_size": 9, "sampler.num_random": 1, "evaluation.batch_size": 9,
    "evaluation.calibration_batches": 1, "evaluation.search_calibration_batches": 1, "search.num_random": 2,
    "search.num_parents": 2, "search.num_crossovers": 1, "search.num_mutations": 1, "search.num_rounds": 1,
    "publish.presets": ["a4"], "publish.front": 1,
}  # fmt: skip


@pytest.fixture
def pictures(tmp_path):
    """train/ and val/ of two kinds of pictures, each in three formats."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 30), ("val", 6)):
        for name, most in (("dark", 100), ("light", 256)):
            folder = tmp_path / "pictures" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(most - 100, most, (48, 64, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.{SUFFIXES[number % 3]}")
    return tmp_path / "pictures"


def options(**values):
    return [part for key, value in values.items() for part in ("--set", f"{key}={json.dumps(value)}")]


def train(pictures, output):
    given = options(**{"data.root": str(pictures), "output": str(output), **SMALL})
    return main(["train", "--config", "configs/folder.yaml", *given])


def test_a_folder_trains_on_every_format_and_holds_a_tenth_out(pictures, tmp_path):
    assert train(pictures, tmp_path / "run") == 0
    steps = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert len(steps) == 54 // 9
    splits = runs.build_data(read_config(str(tmp_path / "run" / "config.yaml"), []))
    assert (len(splits.train), len(splits.search), len(splits.test)) == (54, 6, 12)
    assert {name.rpartition(".")[2] for name in splits.record.train} == set(SUFFIXES)
    assert splits.class_names == ("dark", "light")


@pytest.mark.slow
def test_the_readmes_commands_after_it(pictures, tmp_path, capsys):
    run = str(tmp_path / "run")
    assert train(pictures, run) == 0
    assert main(["search", run, "--set", "search.max_mflops=600"]) == 0
    assert main(["publish", run, "--tag", "flowers"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "alphanet_a4.flowers", "--data", str(pictures)]) == 0
    assert "(12 images)" in capsys.readouterr().out
    assert timm.create_model("alphanet_a4.flowers", pretrained=True).num_classes == 2


def test_imagenets_recipe_on_few_pictures_gives_advice_that_works(pictures):
    asked = [f"data.root={pictures}"]
    with pytest.raises(ConfigError, match=r"data\.search_count must lie in 0\.\.59 .*not 10000") as error:
        runs.build_data(read_config("configs/imagenet.yaml", asked))
    advice = re.findall(r"data\.\w+=[\w.]+", str(error.value))
    assert len(advice) == 2
    splits = runs.build_data(read_config("configs/imagenet.yaml", [*asked, *advice]))
    assert (len(splits.train), len(splits.search), len(splits.test)) == (54, 6, 12)
