"""Images as a pretrained model wants them."""

import pytest
import torch

from alphanet_plugin.data import build_splits
from alphanet_plugin.errors import ConfigError

HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25), "interpolation": "bilinear"}


@pytest.mark.parametrize("name", ["digits", "folder"])
def test_every_part_is_normalised_as_asked(name, make_folder):
    root = make_folder() if name == "folder" else None
    own = build_splits(name, root, image_size=8, augment=False, crop_pct=1.0)
    asked = build_splits(name, root, image_size=8, augment=False, crop_pct=1.0, **HALF)
    assert (asked.mean, asked.std) == (HALF["mean"], HALF["std"])
    for part in ("train", "search", "test", "calibration"):
        image, label = getattr(own, part)[0]
        pixels = image * torch.tensor(own.std).view(3, 1, 1) + torch.tensor(own.mean).view(3, 1, 1)
        other, same = getattr(asked, part)[0]
        assert label == same
        tolerance = 0.05 if name == "folder" else 1e-5  # the folder's images are resized by bilinear
        torch.testing.assert_close(other * 0.25 + 0.5, pixels, atol=tolerance, rtol=0)


def test_what_was_done_is_in_the_data_config():
    assert build_splits("digits", image_size=8, **HALF).data_config["interpolation"] == "bicubic"
    assert build_splits("digits", image_size=8, **HALF).data_config["mean"] == HALF["mean"]


def test_of_digits_too_none_may_be_held_out():
    splits = build_splits("digits", image_size=8, search_count=0)
    assert (len(splits.train), len(splits.search), len(splits.test)) == (1437, 0, 360)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mean": (0.5,)}, "mean takes three numbers"),
        ({"std": (0.5, 0.5, 0.0)}, "std must be above 0"),
        ({"interpolation": "cubic"}, "must be one of nearest"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        build_splits("digits", image_size=8, **wrong)
