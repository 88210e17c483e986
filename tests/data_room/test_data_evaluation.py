"""Images for measuring a finished model, and images for BatchNorm statistics."""

import pytest
import torch
from safetensors.torch import save_file

from alphanet_plugin.data import Preparation, evaluation_source, open_calibration, prepared
from alphanet_plugin.errors import ConfigError


@pytest.mark.parametrize("part", ["", "val", "train"])
def test_a_folder_of_folders_or_its_val(make_folder, part):
    source = evaluation_source(str(make_folder() / part))
    images = prepared(source, Preparation(input_size=(3, 16, 16)))
    assert source.class_names == ("class1", "class2", "class10")
    assert len(images) == (24 if part == "train" else 6)
    image, label = images[0]
    assert image.shape == (3, 16, 16)
    assert label == 0


def test_test_images_under_another_name_are_no_classes(make_folder):
    root = make_folder()
    (root / "val").rename(root / "test")
    with pytest.raises(ConfigError, match="class folders in 'test': rename that to val"):
        evaluation_source(str(root))
    assert len(evaluation_source(str(root / "test")).labels) == 6
    (root / "test").rename(root / "val")
    assert len(evaluation_source(str(root)).labels) == 6


def test_a_file_is_no_folder_that_is_missing(tmp_path):
    (tmp_path / "images.zip").write_text("images")
    with pytest.raises(ConfigError, match=r"images\.zip is a file; give a folder with class folders"):
        evaluation_source(str(tmp_path / "images.zip"))


def test_a_name_needs_a_root(make_folder):
    assert len(evaluation_source("folder", str(make_folder())).labels) == 6
    assert len(evaluation_source("digits").labels) > 100
    with pytest.raises(ConfigError, match="nowhere"):
        evaluation_source("nowhere")


@pytest.mark.parametrize(("part", "count"), [("", 24), ("train", 24), ("val", 6)])
def test_calibration_takes_training_images(make_folder, part, count):
    found = open_calibration(make_folder() / part, num_batches=64, batch_size=5, image_size=16)
    batches = list(found.batches)
    assert [len(images) for images, _ in batches] == [5] * (count // 5)
    assert found.description == f"{count // 5} batches of 5 training images, augmented as in training"


def test_calibration_is_the_same_in_every_pass(make_folder):
    folder = make_folder()
    cached, anew = (
        open_calibration(folder, num_batches=2, batch_size=4, image_size=16, cache_gb=gb).batches for gb in (1.0, 0.0)
    )
    passes = [torch.cat([images for images, _ in batches]) for batches in (cached, cached, anew, anew)]
    assert all(torch.equal(passes[0], other) for other in passes[:2])
    assert torch.equal(passes[2], passes[3])
    assert passes[2].shape == passes[0].shape == (8, 3, 16, 16)


def test_ready_batches_are_taken_as_they_are(tmp_path):
    path = tmp_path / "batches.safetensors"
    tensors = {"b": torch.randn(3, 3, 8, 8), "a": torch.randn(2, 3, 8, 8)}
    save_file(tensors, path)
    found = open_calibration(path)
    assert [torch.equal(x, tensors[name]) for x, name in zip(found.batches, "ab", strict=True)] == [True, True]
    assert found.description == "2 ready batches, 5 images"


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"a": torch.zeros(2, 1, 8, 8)}, r"a in .* is \(2, 1, 8, 8\)"),
        ({"a": torch.zeros(2, 3, 8, 8, dtype=torch.uint8)}, "torch.uint8"),
        ({}, "is empty"),
    ],
)
def test_other_tensors_are_refused(tmp_path, tensors, message):
    save_file(tensors, tmp_path / "batches.safetensors")
    with pytest.raises(ConfigError, match=message):
        open_calibration(tmp_path / "batches.safetensors")


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "batches.safetensors").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="is no safetensors file"):
        open_calibration(tmp_path / "batches.safetensors")
