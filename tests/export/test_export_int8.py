"""8-bit ONNX files: what they hold, and the figures that are given with them."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from alphanet_plugin.cli.main import main
from alphanet_plugin.errors import DataError, ExportError
from alphanet_plugin.export import export_int8, int8

COLOURS = {"blue": (0, 0, 200), "red": (200, 0, 0)}


class Colours(nn.Module):
    """Logits (blue, red) of 16-pixel images, by a convolution whose filters differ a hundredfold in size."""

    num_classes = 2

    def __init__(self):
        super().__init__()
        self.pretrained_cfg = {
            "input_size": (3, 16, 16), "mean": (0.5,) * 3, "std": (0.25,) * 3, "interpolation": "bilinear",
            "crop_pct": 1.0, "label_names": ("blue", "red"), "architecture": "colours",
        }  # fmt: skip
        self.conv = nn.Conv2d(3, 2, 3, padding=1, bias=False)
        self.out = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0, 2], self.conv.weight[1, 0] = 1.0, 0.01
            self.out.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 100.0]]))

    def forward(self, x):
        return self.out(self.conv(x).mean((2, 3)))


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        for number in range(6):
            pixels = np.clip(np.array(colour) + rng.integers(-40, 40, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "images"


def test_weights_take_8_bits_with_a_scale_for_each_channel_and_figures_stand_in_the_file(images, tmp_path):
    import onnx

    path = tmp_path / "colours.onnx"
    figures = export_int8(Colours(), path, images, calibration_images=8, opset=17)
    assert (figures.calibration_images, figures.images) == (8, 12)
    assert (figures.float_top1, figures.int8_top1) == (100.0, 100.0)
    assert figures.float_ms > 0
    assert figures.int8_ms > 0
    file = onnx.load(path)
    facts = {each.key: each.value for each in file.metadata_props}
    assert json.loads(facts["int8"])["int8_top1"] == 100.0
    assert json.loads(facts["class_names"]) == ["blue", "red"]
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in file.graph.initializer}
    (kernel,) = [value for value in weights.values() if value.shape == (2, 3, 3, 3)]
    assert kernel.dtype == np.int8
    # both filters use the range that their own scale gives, though one is a hundred times smaller
    assert np.abs(kernel).max(axis=(1, 2, 3)).min() >= 63


def test_accuracy_is_left_out_where_the_classes_are_others(images, tmp_path):
    model = Colours()
    model.pretrained_cfg["label_names"] = ("ant", "bee")
    assert export_int8(model, tmp_path / "a.onnx", images, opset=17).int8_top1 is None
    with pytest.raises(ExportError, match="are not the model's classes"):
        export_int8(model, tmp_path / "b.onnx", images, images, opset=17)
    with pytest.raises(ExportError, match="need opset 13 or later, not 11"):
        export_int8(model, tmp_path / "b.onnx", images, opset=11)
    assert not (tmp_path / "b.onnx").exists()


def test_what_onnxruntime_cannot_run_in_8_bits_is_an_error(images, tmp_path, monkeypatch):
    def not_implemented(*_):
        raise RuntimeError("NOT_IMPLEMENTED : DequantizeLinear(99)")

    monkeypatch.setattr(int8, "_session", not_implemented)
    with pytest.raises(
        ExportError, match=r"cannot write or run 8 bits: NOT_IMPL.*\(99\); give a lower --opset, or none"
    ):
        export_int8(Colours(), tmp_path / "b.onnx", images, opset=17)
    (images / "red" / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"red.0\.png"):
        export_int8(Colours(), tmp_path / "b.onnx", images, opset=17)
    assert not (tmp_path / "b.onnx").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--int8"], "--int8 needs --calibrate DIR"),
        (["--calibrate", "images"], "--calibrate and --evaluate go with --int8"),
        (["--int8", "--calibrate", "images", "--features"], "--int8 is for onnx files with logits"),
        (
            ["--int8", "--calibrate", "nowhere", "--no-pretrained"],
            "nowhere is no folder; give one that holds a folder of images for each class",
        ),
    ],
)
def test_errors_of_the_command(options, said, capsys):
    assert main(["export", "alphanet_a0", *options]) == 2
    assert said in capsys.readouterr().err
