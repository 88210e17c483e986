import numpy as np
import pytest
import torch
from PIL import Image

from alphanet_plugin.data import build_splits, train_loader, with_images_decoded
from alphanet_plugin.data.decoded import DecodedImages
from alphanet_plugin.data.image_subset import ImageSubset


class Counting:
    """Five pictures of 4x2 pixels."""

    class_names, names = ("a",), list("vwxyz")
    labels = np.zeros(5, dtype=np.int64)

    def __init__(self, mode="RGB"):
        self.mode, self.read = mode, []

    def image(self, position):
        self.read.append(position)
        return Image.new("RGB", (4, 2), (position, position, position)).convert(self.mode)

    def stamp(self, position):
        return f"stamp {position}"


@pytest.mark.parametrize(("mode", "bytes_each"), [("RGB", 32), ("L", 8)])
@pytest.mark.parametrize(("room", "read"), [(30, [0, 1, 2]), (2, [0, 1, 2, 2]), (0, [0, 1, 2, 0, 1, 2])])
def test_images_are_decoded_once_as_far_as_there_is_room(mode, bytes_each, room, read):
    source = Counting(mode)
    decoded = DecodedImages(source, room * bytes_each)
    pixels = [np.asarray(decoded.image(position)).flat[0] for position in (0, 1, 2, 0, 1, 2)]
    assert pixels == [0, 1, 2, 0, 1, 2]
    assert source.read == read
    almost = DecodedImages(source, bytes_each - 1)
    assert almost.image(0) is not almost.image(0)
    assert (decoded.stamp(3), decoded.names, decoded.class_names) == ("stamp 3", source.names, ("a",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for label in "ab":
            (root / part / label).mkdir(parents=True)
            for number in range(4):
                pixels = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / label / f"{number}.png")
    return root


def epochs(splits, workers):
    return list(train_loader(splits.train, batch_size=4, steps=6, seed=3, num_workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_are_the_same_in_every_epoch(folder, workers):
    splits = build_splits("folder", folder, image_size=8, search_count=0)
    decoded = with_images_decoded(splits, 1.0, workers)
    assert decoded.train is not splits.train
    assert decoded.calibration.source is decoded.train.source
    assert decoded.source is splits.source
    for one, other in zip(epochs(splits, workers), epochs(decoded, workers), strict=True):
        assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def test_what_is_in_memory_or_not_to_be_kept_stays_as_it_is(folder):
    digits = build_splits("digits", image_size=8)
    assert with_images_decoded(digits, 1.0) is digits
    splits = build_splits("folder", folder, image_size=8, search_count=0)
    assert with_images_decoded(splits, 0.0) is splits


def test_processes_share_the_room(folder):
    splits = build_splits("folder", folder, image_size=8, search_count=0)
    alone, of_four = (with_images_decoded(splits, 1.0, workers).train for workers in (0, 4))
    assert isinstance(alone, ImageSubset)
    assert isinstance(of_four, ImageSubset)
    assert alone.source._room == 4 * of_four.source._room == 10**9
