"""The five transfer data sets, read from folders as torchvision lays them out."""

import fake_torchvision
import numpy as np
import pytest
import torchvision

from alphanet_plugin.data import build_splits
from alphanet_plugin.data.torchvision_sets import TORCHVISION_SETS
from alphanet_plugin.errors import ConfigError

WRITERS = {
    "torch/flowers102": fake_torchvision.flowers,
    "torch/oxford_iiit_pet": fake_torchvision.pets,
    "torch/food101": fake_torchvision.food,
    "torch/stanford_cars": fake_torchvision.cars,
    "torch/fgvc_aircraft": fake_torchvision.aircraft,
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    def written(name):
        extra = {"monkeypatch": monkeypatch} if name == "torch/flowers102" else {}
        WRITERS[name](tmp_path, **extra)
        return tmp_path

    return written


def test_all_have_a_stand_in():
    assert set(WRITERS) == set(TORCHVISION_SETS)


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_images_and_labels_belong_together(name, write):
    splits = build_splits(name, write(name), image_size=8, search_count=3, augment=False)
    # nine training images, for flowers its train and val parts together
    assert (len(splits.train), len(splits.search), len(splits.test)) == (6, 3, 6)
    for part in (splits.train, splits.search, splits.test):
        images, labels = zip(*(part[place] for place in range(len(part))), strict=True)
        assert sorted(labels) == sorted([0, 1, 2] * (len(part) // 3))
        for image, label in zip(images, labels, strict=True):
            means = image.mean(dim=(1, 2)).numpy() * np.asarray(splits.std) + np.asarray(splits.mean)
            assert int(means.argmax()) == label  # class 0 is red, 1 green, 2 blue


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_none_held_out_trains_on_all(name, write):
    splits = build_splits(name, write(name), image_size=8, search_count=0)
    assert (len(splits.train), len(splits.search), len(splits.test)) == (9, 0, 6)


def test_class_names_are_the_data_sets(write):
    assert build_splits("torch/flowers102", write("torch/flowers102"), image_size=8).num_classes == 102
    assert build_splits("torch/fgvc_aircraft", write("torch/fgvc_aircraft"), image_size=8).class_names[1] == "A300B4"


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_what_is_not_there_is_said_with_the_way_to_get_it(name, tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read in .* not found") as error:
        build_splits(name, tmp_path, image_size=8)
    wanted = TORCHVISION_SETS[name]
    message = str(error.value)
    if name == "torch/stanford_cars":
        assert f"{tmp_path}/stanford_cars/{{devkit/cars_meta.mat" in message
    else:
        code = message.partition('python -c "')[2].partition('"')[0]
        seen = []

        def record(root, split, download):
            seen.append((root, split, download))

        original = getattr(torchvision.datasets, wanted.class_name)
        try:
            setattr(torchvision.datasets, wanted.class_name, record)
            exec(code, {})  # what it tells people to do
        finally:
            setattr(torchvision.datasets, wanted.class_name, original)
        assert seen == [(str(tmp_path), part, True) for part in (*wanted.train, wanted.test)]


def test_half_a_data_set_is_an_error(write):
    root = write("torch/fgvc_aircraft")
    (root / "fgvc-aircraft-2013b/data/images_variant_test.txt").unlink()
    with pytest.raises(ConfigError, match=r"images_variant_test\.txt"):
        build_splits("torch/fgvc_aircraft", root, image_size=8)


def test_labels_of_another_version_are_an_error(write):
    root = write("torch/fgvc_aircraft")
    (root / "fgvc-aircraft-2013b/data/variants.txt").write_text("DC-3\n")
    with pytest.raises(ConfigError, match="707-320"):
        build_splits("torch/fgvc_aircraft", root, image_size=8)


def test_a_damaged_image_is_named(write):
    root = write("torch/oxford_iiit_pet")
    (root / "oxford-iiit-pet/images/Birman_4.jpg").write_bytes(b"no image")
    splits = build_splits("torch/oxford_iiit_pet", root, image_size=8)
    with pytest.raises(ConfigError, match=r"Birman_4\.jpg"):
        [splits.test[place] for place in range(6)]


def test_a_root_is_needed():
    with pytest.raises(ConfigError, match="needs a root"):
        build_splits("torch/food101", image_size=8)
