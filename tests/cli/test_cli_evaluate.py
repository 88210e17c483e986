"""`alphanet evaluate` of a published model: its own preparation, its own classes, folders by path, JSON."""

import json

import numpy as np
import pytest
import timm
import torch
from timm.models import save_for_hf

from alphanet_plugin.cli.main import main
from alphanet_plugin.data import Preparation, eval_loader, evaluation_source, preparation_of, prepared
from alphanet_plugin.data import test_digit as digit_image
from alphanet_plugin.evaluation import evaluate

COUNT = 360  # test digits


def save(folder, names):
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=len(names))
    learned = {"input_size": (3, 16, 16), "mean": (0.305,) * 3, "std": (0.376,) * 3, "interpolation": "bilinear"}
    model.pretrained_cfg = {**model.pretrained_cfg, **learned, "crop_pct": 1.0, "test_input_size": None}
    save_for_hf(model, str(folder), model_config={"label_names": names})
    return str(folder)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The folder of a model of the digits."""
    return save(tmp_path_factory.mktemp("digits") / "model", [str(digit) for digit in range(10)])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The test digits as val/DIGIT/*.png."""
    root = tmp_path_factory.mktemp("pictures")
    for number in range(COUNT):
        image, label = digit_image(number)
        folder = root / "val" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{number:03}.png")
    return str(root)


def figures(capsys, *arguments):
    assert main(["evaluate", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_digits_and_the_same_digits_as_pngs_have_the_same_figures(digits, pictures, capsys):
    by_name, by_folder = (figures(capsys, digits, "--data", data) for data in ("digits", pictures))
    assert by_name["count"] == by_folder["count"] == COUNT
    assert by_name["top1"] == by_folder["top1"]
    assert by_name["loss"] == pytest.approx(by_folder["loss"], rel=1e-5)
    model = timm.create_model(f"local-dir:{digits}", pretrained=True)
    assert by_name["preparation"] == json.loads(json.dumps(vars(preparation_of(model))))
    # ImageNet's mean and interpolation would have given others
    other = prepared(evaluation_source(pictures), Preparation(input_size=(3, 16, 16)))
    assert evaluate(model, eval_loader(other, batch_size=64)).loss != pytest.approx(by_folder["loss"], rel=1e-3)


def test_without_json_the_preparation_stands_above_the_figures(digits, capsys):
    assert main(["evaluate", digits, "--data", "digits"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    mean, std = ", ".join(["0.305"] * 3), ", ".join(["0.376"] * 3)
    assert first == f"images: 16 pixels, bilinear, crop 1 (center), mean ({mean}), std ({std})"
    assert "top1 " in second
    assert second.endswith(f"({COUNT} images)")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1", "0", *map(str, range(2, 10))], "the same classes in another order: place 0 is '1' and '0'"),
        ([f"digit {number}" for number in range(10)], "other classes: 'digit 0', 'digit 1', 'digit 2' and 7 more and "),
    ],
    ids=["order", "names"],
)
def test_other_classes_are_refused_unless_asked_for(names, message, pictures, tmp_path, capsys):
    model = save(tmp_path / "model", names)
    assert main(["evaluate", model, "--data", pictures]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("alphanet: error:")]
    assert message in line
    assert "--other-classes" in line
    found = figures(capsys, model, "--data", pictures, "--other-classes")
    assert (found["count"], np.isfinite(found["loss"])) == (COUNT, True)
