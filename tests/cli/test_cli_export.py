"""``alphanet export``: from a published folder to a file, and its errors."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from alphanet_plugin import get_space
from alphanet_plugin.cli.main import build_parser, main
from alphanet_plugin.models import alphanet_subnet
from alphanet_plugin.weights import Publication, publish

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
SMALL = get_space("attentive_nas", resolutions=(32,))


def publish_small(tag):
    model = alphanet_subnet(arch=SMALL.presets["a0"], num_classes=3, zero_init_last=False)
    publication = Publication(
        architecture="alphanet_a0",
        tag=tag,
        arch=model.arch,
        data_config={"input_size": (3, 32, 32), "mean": (0.3,) * 3, "std": (0.4,) * 3, "interpolation": "bicubic",
                     "crop_pct": 1.0},
        class_names=["ant", "bee", "cat"],
        metrics={"top1": 50.0},
        mflops=1.0,
        params=1,
        dataset="none",
    )  # fmt: skip
    return publish(model, publication)


@pytest.fixture
def published():
    """The folder of alphanet_a0.small in the store."""
    return publish_small("small")


def test_published_weights_are_exported_by_name_and_by_folder(published, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["export", "alphanet_a0.small", "--format", "pt2"]) == 0
    assert main(["export", str(published), "--format", "pt2", "--output", "other.pt2", "--no-fuse"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("alphanet_a0.small.pt2: ")
    assert said[0].endswith("images (batch, 3, 32, 32) to logits (batch, 3)")
    assert "differs from torch by" in said[1]
    shown = "32 pixels, bicubic, crop 1 (center), mean (0.3, 0.3, 0.3), std (0.4, 0.4, 0.4)"
    assert said[2] == f"images are prepared as: {shown}"
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = timm.create_model("alphanet_a0.small", pretrained=True).eval()(images)
    for file, fused in (("alphanet_a0.small.pt2", True), ("other.pt2", False)):
        extra = {"model.json": ""}
        program = torch.export.load(file, extra_files=extra)
        assert any("batch_norm" in str(node.target) for node in program.graph.nodes) != fused
        torch.testing.assert_close(program.module()(images), expected, rtol=1e-5, atol=1e-6)
        facts = json.loads(extra["model.json"])
        assert json.loads(facts["class_names"]) == ["ant", "bee", "cat"]
        assert json.loads(facts["mean"]) == [0.3, 0.3, 0.3]
        assert facts["arch"] == str(SMALL.presets["a0"])


def test_features_and_free_sizes_at_an_older_opset(tmp_path, capsys):
    path = tmp_path / "backbone.onnx"
    command = ["export", "mobilenetv3_small_050", "--no-pretrained", "--features", "--opset", "17", "--dynamic-size"]
    assert main([*command, "--output", str(path)]) == 0
    said = capsys.readouterr()
    assert "images (batch, 3, height, width) to features_0 (16 channels, stride 2), " in said.out
    assert "of the largest value" in said.out
    assert not said.err


def test_any_timm_model_as_onnx(tmp_path, capsys):
    path = tmp_path / "model.onnx"
    command = ["export", "mobilenetv3_small_050", "--no-pretrained", "--classes", "4", "--output", str(path)]
    assert main(command) == 0
    assert "to logits (batch, 4)" in capsys.readouterr().out
    assert path.stat().st_size > 1e6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["alphanet_a0"], "no weights for alphanet_a0 in the store"),
        (
            ["alphanet_q", "--no-pretrained"],
            "alphanet_q is neither a folder nor a model that timm builds so: Unknown model",
        ),
        (["local-dir:nowhere"], "nowhere"),
        (["alphanet_a0", "--classes", "3"], "--classes takes a positive number and goes with --no-pretrained"),
        (["alphanet_a0", "--no-pretrained", "--classes", "0"], "--classes takes a positive number"),
        (["alphanet_a0", "--output", "."], "--output . is a folder"),
        (["alphanet_a0", "--format", "pt2", "--opset", "17"], "--opset goes with --format onnx, not pt2"),
        (["alphanet_a0", "--features", "--classes", "3", "--no-pretrained"], "--features has no classes"),
    ],
)
def test_errors_are_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["export", *arguments]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("alphanet: error:")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not list(tmp_path.iterdir())


def test_unknown_formats_are_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["export", "alphanet_a0", "--format", "tflite"])
    assert stop.value.code == 2
    assert "onnx" in capsys.readouterr().err


def documented():
    """The commands of docs/export.md."""
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [line.split()[1:] for block in blocks for line in block.splitlines()]


def test_documented_commands_are_understood():
    commands = documented()
    assert len(commands) == 6
    for command in commands:
        build_parser().parse_args(command)


def test_the_documented_int8_command(tmp_path, monkeypatch, capsys):
    publish_small("digits")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for name in ("ant", "bee", "cat"):
            folder = tmp_path / "data" / "digits" / part / name
            folder.mkdir(parents=True)
            Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / "0.png")
    (command,) = [words for words in documented() if "--int8" in words]
    assert main([*command, "--opset", "17"]) == 0
    said = capsys.readouterr()
    assert "activations' ranges of 3 images" in said.out
    assert "top-1 on 3 images: " in said.out
    file = tmp_path / "alphanet_a0.digits.int8.onnx"
    assert file.stat().st_size < 9e6  # 7.1 million weights
