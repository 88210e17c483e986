"""Fashion-MNIST and CIFAR by name, from files laid out as Debian and torchvision lay them."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import FashionMNIST

from alphanet_plugin.data import build_splits
from alphanet_plugin.errors import ConfigError

RNG = np.random.default_rng(0)
PIXELS = {part: RNG.integers(0, 256, (count, 28, 28), np.uint8) for part, count in (("train", 60), ("t10k", 20))}


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.asarray(array.shape, ">u4").tobytes()
    return header + array.tobytes()


def write_fashion(folder, zipped):
    folder.mkdir(parents=True, exist_ok=True)
    for part, pixels in PIXELS.items():
        labels = np.arange(len(pixels)).astype(np.uint8) % 10
        for name, array in ((f"{part}-images-idx3-ubyte", pixels), (f"{part}-labels-idx1-ubyte", labels)):
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
            else:
                (folder / name).write_bytes(idx(array))


@pytest.mark.parametrize(("below", "zipped"), [("", True), ("FashionMNIST/raw", False)])
def test_fashion_mnist_as_it_lies(tmp_path, below, zipped):
    write_fashion(tmp_path / below, zipped)
    splits = build_splits("fashion_mnist", tmp_path, image_size=28)
    assert (len(splits.train), len(splits.search), len(splits.test)) == (54, 6, 20)
    assert splits.class_names[:2] == ("T-shirt/top", "Trouser")
    assert (splits.mean, splits.std, splits.crop_pct) == ((0.2860,) * 3, (0.3530,) * 3, 1.0)
    image, label = splits.test[13]
    assert label == 3
    wanted = (torch.from_numpy(PIXELS["t10k"][13]).float() / 255 - 0.2860) / 0.3530
    torch.testing.assert_close(image, wanted.expand(3, 28, 28))
    assert not torch.equal(splits.train[0][0], splits.train[0][0])  # it is augmented
    assert build_splits("fashion_mnist", tmp_path, image_size=20).train[0][0].shape == (3, 20, 20)


def test_cifar_never_downloads(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no whole cifar-10-batches-py .*download=True"):
        build_splits("cifar10", tmp_path, image_size=32)


def test_cifar_in_either_layout(tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR100

    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for part, count in (("train", 300), ("test", 100)):
        data = RNG.integers(0, 256, (count, 3072), np.uint8)
        fields = {"data": data, "fine_labels": [one % 100 for one in range(count)]}
        (folder / part).write_bytes(pickle.dumps(fields))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": [f"c{one}" for one in range(100)]}))
    monkeypatch.setattr(CIFAR100, "_check_integrity", lambda _: True)  # the digests of the real files
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    for root in (tmp_path, folder):
        splits = build_splits("cifar100", root, image_size=32)
        assert (len(splits.train), len(splits.search), len(splits.test)) == (270, 30, 100)
        assert splits.mean == (0.5071, 0.4867, 0.4408)


@pytest.mark.parametrize("damage", [lambda raw: raw[:-5], lambda raw: b"\1" + raw[1:], lambda _: b""])
def test_damaged_files_are_named(tmp_path, damage):
    write_fashion(tmp_path, zipped=False)
    file = tmp_path / "t10k-images-idx3-ubyte"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ConfigError, match="t10k-images-idx3-ubyte cannot be read"):
        build_splits("fashion_mnist", tmp_path, image_size=28)


def test_damaged_compressed_files_are_named(tmp_path):
    write_fashion(tmp_path, zipped=True)
    file = tmp_path / "train-labels-idx1-ubyte.gz"
    raw = bytearray(file.read_bytes())
    raw[12:16] = b"\xff" * 4
    file.write_bytes(raw)
    with pytest.raises(ConfigError, match=r"train-labels-idx1-ubyte\.gz cannot be read"):
        build_splits("fashion_mnist", tmp_path, image_size=28)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no train-images-idx3-ubyte .*dataset-fashion-mnist"):
        build_splits("fashion_mnist", tmp_path, image_size=28)


@pytest.mark.parametrize("damaged", [False, True])
def test_what_is_said_of_missing_and_damaged_files_helps(tmp_path, monkeypatch, damaged):
    if damaged:
        write_fashion(tmp_path, zipped=False)
        (tmp_path / "train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(ConfigError, match="delete it and fetch" if damaged else "or fetch") as caught:
        build_splits("fashion_mnist", tmp_path, image_size=28)
    if damaged:
        (tmp_path / "train-images-idx3-ubyte").unlink()
    monkeypatch.setattr(FashionMNIST, "download", lambda self: write_fashion(Path(self.raw_folder), zipped=False))
    monkeypatch.setattr(FashionMNIST, "_load_data", lambda _: (None, None))
    exec(str(caught.value).partition('python -c "')[2].partition('"')[0], {})  # what it tells people to do
    assert len(build_splits("fashion_mnist", tmp_path, image_size=28).train) == 54
