"""Posterize to no bits at all, which Pillow 13 refuses and timm's policies ask for."""

from collections.abc import Iterable, Iterator
from typing import Any

from PIL import Image
from timm.data import auto_augment


def allow_zero_bits(transforms: Iterable[Any]) -> None:
    """Let every posterize step of timm's policies among `transforms` yield a black image for 0 bits.

    The policy v0 does that (timm's source says so), and with it the AlphaNet paper's training; RandAugment reaches 0
    bits too. Pillow did it until version 13, which raises ValueError instead.
    """
    for transform in transforms:
        for op in _ops(transform):
            if op.aug_fn is auto_augment.posterize:
                op.aug_fn = _posterize


def _ops(transform: Any) -> Iterator[Any]:
    if isinstance(transform, auto_augment.AutoAugment):
        for pair in transform.policy:
            yield from pair
    elif isinstance(transform, (auto_augment.RandAugment, auto_augment.AugMixAugment)):
        yield from transform.ops


def _posterize(image: Image.Image, bits: int, **options: Any) -> Image.Image:
    if bits < 1:
        return Image.new(image.mode, image.size)
    return auto_augment.posterize(image, bits, **options)
