"""A small folder of JPEGs whose colour tells their class."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

COLOURS = {"class2": (200, 30, 30), "class10": (30, 200, 30), "class1": (30, 30, 200)}


def write_images(folder: Path, colour: tuple[int, int, int], count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (40, 30), tuple(part + number for part in colour)).save(folder / f"{number}.jpg")


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    def make(train: int = 8, test: int = 2, test_name: str = "val") -> Path:
        for name, colour in COLOURS.items():
            write_images(tmp_path / "images" / "train" / name, colour, train)
            write_images(tmp_path / "images" / test_name / name, colour, test)
        return tmp_path / "images"

    return make
