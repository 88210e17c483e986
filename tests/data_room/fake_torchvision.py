"""Small data sets in the folder layouts of torchvision's, with images whose colour tells their class."""

import hashlib
import json

import numpy as np
import torchvision
from PIL import Image
from scipy.io import savemat

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]  # one a class
SIDES = (52, 40)


def image(path, label):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIDES, COLOURS[label]).save(path)


def flowers(root, monkeypatch, train=2, val=1, test=2):
    """`train`, `val` and `test` images a class, in the order of torchvision's image numbers from 1 on."""
    folder = root / "flowers-102"
    labels = [label for count in (train, val, test) for label in range(3) for _ in range(count)]
    for number, label in enumerate(labels, start=1):
        image(folder / f"jpg/image_{number:05d}.jpg", label)
    numbers = np.arange(1, len(labels) + 1)
    ends = np.cumsum([3 * train, 3 * val])
    parts = dict(zip(("trnid", "valid", "tstid"), np.split(numbers, ends), strict=True))
    savemat(folder / "imagelabels.mat", {"labels": np.asarray(labels) + 1})
    savemat(folder / "setid.mat", parts)
    # torchvision checks the published files' sums
    sums = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in ("imagelabels.mat", "setid.mat")}
    known = torchvision.datasets.Flowers102._file_dict
    changed = {key: (name, sums.get(name, md5)) for key, (name, md5) in known.items()}
    monkeypatch.setattr(torchvision.datasets.Flowers102, "_file_dict", changed)


def pets(root, train=3, test=2):
    folder = root / "oxford-iiit-pet"
    names = ["Abyssinian", "american_bulldog", "Birman"]
    (folder / "annotations").mkdir(parents=True)
    for part, first, count in (("trainval", 0, train), ("test", train, test)):
        lines = []
        for label, name in enumerate(names):
            for number in range(first, first + count):
                image(folder / f"images/{name}_{number}.jpg", label)
                lines.append(f"{name}_{number} {label + 1} {1 + (name == 'american_bulldog')} 1\n")
        (folder / f"annotations/{part}.txt").write_text("".join(lines))


def food(root, train=3, test=2):
    folder = root / "food-101"
    names = ["apple_pie", "baklava", "churros"]
    (folder / "meta").mkdir(parents=True)
    for part, first, count in (("train", 0, train), ("test", train, test)):
        numbers = range(first, first + count)
        (folder / f"meta/{part}.json").write_text(json.dumps({n: [f"{n}/{i}" for i in numbers] for n in names}))
        for label, name in enumerate(names):
            for number in numbers:
                image(folder / f"images/{name}/{number}.jpg", label)


def cars(root, train=3, test=2):
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    names = np.asarray(["AM General Hummer", "Acura RL", "Bentley Arnage"], dtype=object)
    savemat(folder / "devkit/cars_meta.mat", {"class_names": names})
    files = {"train": "devkit/cars_train_annos", "test": "cars_test_annos_withlabels"}
    for part, count in (("train", train), ("test", test)):
        rows = [(label, f"{label * count + i:05d}.jpg") for label in range(3) for i in range(count)]
        annotations = np.empty(len(rows), dtype=[("class", "u1"), ("fname", object)])
        for place, (label, name) in enumerate(rows):
            annotations[place] = (label + 1, name)
            image(folder / f"cars_{part}" / name, label)
        savemat(folder / f"{files[part]}.mat", {"annotations": annotations})


def aircraft(root, train=3, test=2):
    data = root / "fgvc-aircraft-2013b/data"
    names = ["707-320", "A300B4", "DC-3"]
    data.mkdir(parents=True)
    (data / "variants.txt").write_text("".join(f"{name}\n" for name in names))
    for part, first, count in (("trainval", 0, train), ("test", train, test)):
        lines = []
        for label, name in enumerate(names):
            for number in range(first, first + count):
                image(data / f"images/{label}{number:04d}.jpg", label)
                lines.append(f"{label}{number:04d} {name}\n")
        (data / f"images_variant_{part}.txt").write_text("".join(lines))
