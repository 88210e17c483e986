"""Pictures of any format and mode as RGB, the way they look."""

from __future__ import annotations

import os
import stat
import warnings
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps

from ..errors import DataError

_STUBS = {
    "BUFR",
    "EPS",
    "GRIB",
    "HDF5",
    "MPEG",
    "WMF",
}  # for which Pillow needs other programs


def open_image(file: str | Path | IO[bytes], name: str = "") -> Image.Image:
    """The picture in a file as RGB, upright, as it looks on a white page; of an animation the first frame.

    Turned as EXIF says; 16 bits of grey become 8 (65535 is white); what is transparent shows white. Grey of 32-bit
    whole numbers counts from 0 (black) to 255 or, where it goes beyond 255, to 65535; of floating point to 1 or, where
    it goes beyond 1, to 255.

    Args:
        file: A path, or a file opened for reading bytes.
        name: What an error calls the picture; by default the path.

    Raises:
        DataError: It cannot be read, or its pixels have no agreed look; the message names the file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata and of many pixels: nothing that changes the picture
            if isinstance(file, (str, os.PathLike)):
                refuse_pipe(os.stat(file).st_mode)
            with Image.open(file) as image:
                ImageOps.exif_transpose(image, in_place=True)  # which keeps its format
                return as_rgb(image)
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, ValueError, struct.error and more
        raise unreadable(name or file, error) from error


def refuse_pipe(mode: int) -> None:
    """Raise OSError for the `st_mode` of what Pillow would wait for, or read without an end: a pipe, socket, device."""
    for is_one, what in (
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if is_one(mode):
            raise OSError(f"it is {what} and no file")


def unreadable(name: Any, error: BaseException) -> DataError:
    """What to raise for an image that cannot be read."""
    if isinstance(error, FileNotFoundError) and os.path.islink(name):
        return DataError(f"image {name} is a link to {os.readlink(name)}, which is not there; repair or remove it")
    if isinstance(error, FileNotFoundError):
        return DataError(f"there is no image {name}; look at the path")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{name} is a folder and no image; give the images in it, such as {name}/*.png")
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(f"image {name} cannot be read ({reason}); repair or remove the file")


def as_rgb(image: Image.Image) -> Image.Image:
    """An opened picture as RGB, as `open_image` says but for its orientation.

    Raises:
        DataError: Its pixels have no agreed look.
    """
    if image.mode.startswith("I"):
        image = _grey_of_whole_numbers(image)
    elif image.mode == "F":
        image = _grey_of_floats(image)
    if image.mode in ("RGBa", "La"):
        image = image.convert(image.mode.upper())
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


@cache
def image_suffixes() -> frozenset[str]:
    """Suffixes, in small letters with their dot, of all files that Pillow reads here."""
    Image.init()
    readable = set(Image.OPEN) - _STUBS
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in readable)


def _grey_of_whole_numbers(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min(initial=0) < 0 or values.max(initial=0) > 65535:
        raise DataError("pixels of 32 bits beyond 0..65535 have no agreed look")
    sixteen_bits = image.mode != "I" or image.format in ("PNG", "PPM")  # which Pillow may open as 32
    if not sixteen_bits and values.max(initial=0) <= 255:
        return Image.fromarray(values.astype(np.uint8))
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))  # to the nearest


def _grey_of_floats(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float64)
    least, most = values.min(initial=0), values.max(initial=0)
    if not (least >= 0 and most <= 255):  # nor NaN
        raise DataError("floating-point pixels outside 0..1 and 0..255 have no agreed look")
    return Image.fromarray(np.rint(values * (255 if most <= 1 else 1)).astype(np.uint8))
