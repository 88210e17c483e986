import numpy as np
import pytest
import timm
import torch
from timm.data import create_transform, resolve_model_data_config

from alphanet_plugin import data
from alphanet_plugin.data import SeededDataset, SmallAffine, build_splits
from alphanet_plugin.data.digits import DIGITS_MEAN, DIGITS_STD, digit_image, digit_labels
from alphanet_plugin.errors import ConfigError


def positions(split) -> set[int]:
    return set(split.positions.tolist())


def stacked(split) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*(split[i] for i in range(len(split))), strict=True)
    return torch.stack(images), torch.tensor(labels)


def test_the_parts_are_disjoint_and_complete():
    splits = build_splits("digits", image_size=8)
    parts = [positions(part) for part in (splits.train, splits.search, splits.test)]
    assert [len(part) for part in parts] == [1078, 359, 360]
    assert len(set().union(*parts)) == 1797
    assert positions(splits.calibration) == parts[0]
    assert splits.num_classes == 10
    assert splits.class_names[7] == "7"


def test_every_part_has_its_share_of_every_class():
    splits = build_splits("digits", image_size=8)
    whole = np.bincount(digit_labels()) / 1797
    for part in (splits.train, splits.search, splits.test):
        counts = np.bincount(digit_labels()[part.positions])
        assert np.abs(counts - whole * len(part)).max() < 1.5


def test_a_seed_moves_the_search_part_and_never_the_test_part():
    first, again, other = (build_splits("digits", image_size=8, seed=seed) for seed in (1, 1, 2))
    assert positions(first.search) == positions(again.search)
    assert positions(first.search) != positions(other.search)
    assert positions(first.test) == positions(other.test)


def test_labels_belong_to_their_images():
    splits = build_splits("digits", image_size=8, augment=False)
    images, labels = stacked(splits.train)
    centres = torch.stack([images[labels == digit].mean(0) for digit in range(10)])
    images, labels = stacked(splits.test)
    nearest = torch.cdist(images.flatten(1), centres.flatten(1)).argmin(1)
    assert (nearest == labels).float().mean() > 0.85


def test_images_are_normalised_and_of_the_size_asked_for():
    image, label = build_splits("digits", image_size=44).search[0]
    assert image.shape == (3, 44, 44)
    assert image.dtype == torch.float32
    assert type(label) is int
    images, _ = stacked(build_splits("digits", image_size=8, augment=False).train)
    assert abs(images.mean()) < 0.02
    assert abs(images.std() - 1) < 0.02


def test_sixteen_is_white_and_nought_is_black():
    pixels = np.array(digit_image(0))
    assert pixels.shape == (8, 8, 3)
    assert pixels.min() == 0
    assert pixels[0, 3, 0] == round(13 * 255 / 16)


@pytest.mark.parametrize("size", [8, 40, 57])
def test_a_published_model_sees_what_the_search_saw(size):
    """timm's own transform of the raw 8x8 digit is bit-equal to the data set's item."""
    splits = build_splits("digits", image_size=size)
    model = timm.create_model("test_resnet", num_classes=10, pretrained_cfg_overlay=splits.data_config)
    transform = create_transform(**resolve_model_data_config(model))
    for index in (0, 17, 359):
        image, label = data.test_digit(index)
        expected, expected_label = splits.test[index]
        assert image.size == (8, 8)
        assert torch.equal(transform(image), expected)
        assert torch.equal(transform(data.test_digit(index, size=size)[0]), expected)
        assert label == expected_label


def test_test_digit_names_its_range():
    with pytest.raises(IndexError, match=r"0\.\.359"):
        data.test_digit(360)


def test_augmentation_varies_training_images_only():
    splits = build_splits("digits", image_size=24)
    for part, varies in (
        (splits.train, True),
        (splits.calibration, True),
        (splits.search, False),
        (splits.test, False),
    ):
        assert torch.equal(part[3][0], part[3][0]) is not varies
    plain = build_splits("digits", image_size=24, calibration_augment=False)
    assert torch.equal(plain.calibration[3][0], plain.calibration[3][0])
    assert not torch.equal(plain.train[3][0], plain.train[3][0])
    none = build_splits("digits", image_size=24, augment=False)
    assert torch.equal(none.train[3][0], none.calibration[3][0])


def test_augmentation_is_mild():
    """An augmented digit stays in range and still looks like its class."""
    plain = build_splits("digits", image_size=24, augment=False).train
    varied = SeededDataset(build_splits("digits", image_size=24).train, seed=0)
    originals = torch.stack([plain[i][0] for i in range(100)])
    labels = torch.tensor([plain[i][1] for i in range(100)])
    augmented = torch.stack([varied[i][0] for i in range(100)])
    lowest, highest = -DIGITS_MEAN[0] / DIGITS_STD[0], (1 - DIGITS_MEAN[0]) / DIGITS_STD[0]
    assert lowest - 1e-5 <= augmented.min()
    assert augmented.max() <= highest + 1e-5
    nearest = torch.cdist(augmented.flatten(1), originals.flatten(1)).argmin(1)
    assert (labels[nearest] == labels).float().mean() > 0.9


def test_the_affine_map_moves_by_what_it_is_told(monkeypatch):
    image = torch.zeros(1, 16, 16)
    image[0, 4:8, 6:10] = 1
    assert torch.allclose(SmallAffine(degrees=0, scale=0, shift=0)(image), image, atol=1e-5)
    monkeypatch.setattr(torch, "rand", lambda *_: torch.tensor([0.5, 0.5, 1.0, 0.0]))
    moved = SmallAffine(degrees=0, scale=0, shift=0.125)(image)  # looks 2 pixels to the right and 2 up
    assert torch.allclose(moved, torch.roll(image, (2, -2), (1, 2)), atol=1e-5)
    monkeypatch.setattr(torch, "rand", lambda *_: torch.tensor([1.0, 0.5, 0.5, 0.5]))
    turned = SmallAffine(degrees=90, scale=0, shift=0)(image)
    assert torch.allclose(turned, torch.rot90(image, 1, (1, 2)), atol=1e-4)
    monkeypatch.setattr(torch, "rand", lambda *_: torch.tensor([0.5, 1.0, 0.5, 0.5]))
    grown = SmallAffine(degrees=0, scale=1.0, shift=0)(torch.ones(1, 16, 16))
    assert torch.allclose(grown, torch.ones(1, 16, 16), atol=1e-5)
    shrunk = SmallAffine(degrees=0, scale=-0.5, shift=0)(torch.ones(1, 16, 16))
    assert shrunk.sum() == pytest.approx(64, rel=0.1)


@pytest.mark.parametrize(("options", "message"), [
    ({"image_size": 0}, "image_size must be"),
    ({"augment": "v0"}, "augment true or false"),
    ({"crop_pct": 0.9}, "not cropped"),
    ({"crop_pct": 1.5}, r"\(0, 1\]"),
    ({"search_fraction": 2.0}, "between 0 and 1"),
])  # fmt: skip
def test_a_wrong_option_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build_splits("digits", **{"image_size": 8, **options})


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(ConfigError, match="did you mean 'digits'"):
        build_splits("digit", image_size=8)
    with pytest.raises(ConfigError, match=r"digits.*folder"):
        build_splits("qqqq", image_size=8)
