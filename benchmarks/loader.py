"""Images a second of the training loader beside timm's own, on a folder of generated JPEGs.

    python benchmarks/loader.py                     # 20,000 JPEGs of 96 pixels, 64 pixels to the network
    python benchmarks/loader.py --images 2000 --workers 0,1

Both crop, resize and flip, with the same numbers of loader processes. `kept` is the second epoch of images that the
first has decoded (`data.cache_gb`). The last line is Fashion-MNIST's way, from an array in memory, without files.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from timm.data import create_dataset, create_loader

from alphanet_plugin.data import build_splits, train_loader, with_images_decoded

CLASSES = 10


def make_images(root: Path, count: int, side: int) -> None:
    """Smooth noise as JPEGs, which compress and decode about as photographs do; a few more for `val`."""
    rng = np.random.default_rng(0)
    for part, number in (("train", count), ("val", CLASSES)):
        for label in range(CLASSES):
            (root / part / f"class_{label}").mkdir(parents=True)
        for index in range(number):
            small = Image.fromarray(rng.integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8))
            image = small.resize((side, side), Image.Resampling.BICUBIC)
            image.save(root / part / f"class_{index % CLASSES}" / f"{index}.jpg", quality=90)


def rate(batches: Iterable[Any], warm: int = 1) -> float:
    """Images a second after so many batches, of which the first waits for the loader's processes to start."""
    iterator = iter(batches)
    for _ in itertools.islice(iterator, warm):
        pass
    began, count = time.perf_counter(), 0
    for images, _ in iterator:
        count += len(images)
    return count / (time.perf_counter() - began)


def product(root: Path, side: int, batch: int, workers: int, kept: bool) -> Iterator[Any]:
    """Batches of one epoch, or of the second of two."""
    splits = build_splits("folder", root, image_size=side, augment="crop", search_count=0)
    splits = with_images_decoded(splits, 4.0 if kept else 0.0, workers)
    steps = len(splits.train) // batch
    loader = train_loader(splits.train, batch_size=batch, steps=(1 + kept) * steps, seed=0, num_workers=workers)
    return itertools.islice(loader, kept * steps, None)


def timms(root: Path, side: int, batch: int, workers: int) -> Iterable[Any]:
    """timm's loader for training, without its prefetcher, which is for CUDA."""
    loader: Any = create_loader(
        create_dataset("", str(root), split="train", is_training=True, batch_size=batch), (3, side, side), batch,
        is_training=True, use_prefetcher=False, color_jitter=None, interpolation="bicubic", num_workers=workers,
        persistent_workers=workers > 0,
    )  # fmt: skip
    return loader


def from_memory(root: Path, batch: int) -> Iterator[Any]:
    """Fashion-MNIST's files with noise in place of the pictures."""
    for part, count in (("train", 60 * batch), ("t10k", 10)):
        for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
            head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
            values = np.random.default_rng(0).integers(0, 10, shape, dtype=np.uint8)
            (root / f"{part}-{kind}-ubyte").write_bytes(head + values.tobytes())
    splits = build_splits("fashion_mnist", root, image_size=28, augment="crop", search_count=10 * batch)
    return iter(train_loader(splits.train, batch_size=batch, steps=30, seed=0))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--jpeg", type=int, default=96, help="side of the JPEGs")
    parser.add_argument("--side", type=int, default=64, help="side of what the loader yields")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", default="0,1,2")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "jpegs"
        make_images(root, args.images, args.jpeg)
        print(f"{args.images} JPEGs of {args.jpeg} pixels to {args.side}, batches of {args.batch}; images a second")
        print("workers     timm  product    kept  product / timm  kept / timm")
        for workers in map(int, args.workers.split(",")):
            theirs = rate(timms(root, args.side, args.batch, workers))
            ours, kept = (rate(product(root, args.side, args.batch, workers, kept)) for kept in (False, True))
            print(f"{workers:7} {theirs:8.0f} {ours:8.0f} {kept:7.0f} {ours / theirs:15.2f} {kept / theirs:12.2f}")
        print(f"28 pixels from memory, 0 workers: {rate(from_memory(Path(folder), args.batch)):.0f}")


if __name__ == "__main__":
    main()
