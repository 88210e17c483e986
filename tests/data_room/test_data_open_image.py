"""Pictures of every mode and format come out as they look; what cannot be read is named."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from alphanet_plugin.data import build_splits, eval_loader, open_image
from alphanet_plugin.data.folder import open_folder
from alphanet_plugin.errors import DataError

RAMP = np.linspace(0, 255, 256).round().astype(np.uint8).reshape(16, 16)
COLOURS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def opened(image, path, **options) -> np.ndarray:
    image.save(path, **options)
    return np.asarray(open_image(path)).astype(int)


def grey(values) -> np.ndarray:
    return np.repeat(np.asarray(values).astype(int)[..., None], 3, axis=2)


def test_sixteen_bits_of_grey_become_eight(tmp_path):
    deep = Image.fromarray(RAMP.astype(np.uint16) * 257)
    for suffix in ("png", "tif", "pgm"):
        assert (opened(deep, tmp_path / f"x.{suffix}") == grey(RAMP)).all()
    assert (opened(Image.fromarray(RAMP.astype(np.int32) * 257), tmp_path / "i.tif") == grey(RAMP)).all()


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_floating_point_grey(tmp_path, top):
    image = Image.fromarray(RAMP.astype(np.float32) / 255 * top)
    assert (opened(image, tmp_path / "x.tif") == grey(RAMP)).all()


@pytest.mark.parametrize("values", [[[-1.0, 0.5]], [[0.0, 300.0]], [[float("nan"), 0.5]]])
def test_floats_without_an_agreed_look_are_refused(tmp_path, values):
    Image.fromarray(np.asarray(values, dtype=np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(DataError, match=r"x\.tif cannot be read .*no agreed look"):
        open_image(tmp_path / "x.tif")


def test_whole_numbers_beyond_sixteen_bits_are_refused(tmp_path):
    Image.fromarray(np.asarray([[0, 70000]], dtype=np.int32)).save(tmp_path / "x.tif")
    with pytest.raises(DataError, match=r"x\.tif cannot be read .*no agreed look"):
        open_image(tmp_path / "x.tif")


def test_whole_numbers_up_to_255_are_eight_bits_in_a_file_of_32(tmp_path):
    assert (opened(Image.fromarray(RAMP.astype(np.int32)), tmp_path / "x.tif") == grey(RAMP)).all()


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_a_dark_picture_of_sixteen_bits_stays_dark(tmp_path, suffix):
    assert opened(Image.fromarray(RAMP.astype(np.uint16)), tmp_path / f"x.{suffix}").max() == 1


def test_bits_grey_and_palettes(tmp_path):
    bits = Image.fromarray(RAMP > 127)
    assert bits.mode == "1"
    assert (opened(bits, tmp_path / "bits.png") == grey((RAMP > 127) * 255)).all()
    assert (opened(Image.fromarray(RAMP), tmp_path / "grey.png") == grey(RAMP)).all()
    palette = Image.fromarray(COLOURS).quantize(256)
    wanted = np.asarray(palette.convert("RGB")).astype(int)
    for suffix in ("png", "gif"):
        assert (opened(palette, tmp_path / f"p.{suffix}") == wanted).all()


def test_what_is_transparent_shows_white(tmp_path):
    alpha = np.where(RAMP > 127, 255, 0).astype(np.uint8)
    wanted = np.where(alpha[..., None] == 255, COLOURS, 255)
    for suffix in ("png", "webp", "tif"):
        options = {"lossless": True} if suffix == "webp" else {}
        image = Image.fromarray(np.dstack([COLOURS, alpha]))
        assert (opened(image, tmp_path / f"rgba.{suffix}", **options) == wanted).all()
    half = Image.merge("LA", (Image.new("L", (16, 16), 100), Image.new("L", (16, 16), 51)))  # 51 / 255 = 0.2
    assert (opened(half, tmp_path / "la.png") == 224).all()  # 0.2 * 100 + 0.8 * 255
    palette = Image.new("P", (16, 16), 1)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    assert (opened(palette, tmp_path / "p.png", transparency=1) == 255).all()
    assert (opened(palette, tmp_path / "q.png", transparency=0) == (0, 0, 255)).all()


def test_inks_are_light_subtracted(tmp_path):
    cyan = opened(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), tmp_path / "x.jpg", quality=100)
    assert np.abs(cyan - (0, 255, 255)).max() <= 2
    assert (opened(Image.new("CMYK", (16, 16), (0, 0, 0, 255)), tmp_path / "x.tif") == 0).all()


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_pictures_stand_upright(tmp_path, orientation, turns):
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = COLOURS[:8]
    assert (opened(Image.fromarray(lying), tmp_path / "x.png", exif=exif) == np.rot90(lying, turns)).all()


def test_loaders_give_what_open_image_gives(tmp_path):
    for part in ("train", "val"):
        for name in "ab":
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(2):
                Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / part / name / f"{number}.png")
    splits = build_splits(
        "folder", tmp_path, image_size=16, crop_pct=1.0, augment=False, mean=(0, 0, 0), std=(1, 1, 1), search_count=1
    )
    for part in (splits.train, splits.search, splits.test, splits.calibration):
        assert torch.equal((part[0][0][0] * 255).round().to(torch.uint8), torch.from_numpy(RAMP))


def damaged_name_of_a_chunk(raw: bytes) -> bytes:
    second = raw.index(b"IDAT", raw.index(b"IDAT") + 4)
    return raw[:second] + b"\xe9\xc9\xf9\xdc" + raw[second + 4 :]


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:900], damaged_name_of_a_chunk, lambda _raw: b"no image", lambda _raw: b""]
)
def test_a_damaged_image_is_one_short_line_with_its_name(tmp_path, damage, num_workers):
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), "uint8")  # more than one chunk
    for part in ("train", "val"):
        for name in "ab":
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(2):
                Image.fromarray(noise).save(tmp_path / part / name / f"{number}.png")
    test = build_splits("folder", tmp_path, image_size=16).test
    file = tmp_path / "val" / "b" / "1.png"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=r"val/b/1\.png cannot be read") as caught:
        list(eval_loader(test, batch_size=3, num_workers=num_workers))
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 350 + len(str(tmp_path))


def test_a_file_that_is_not_there_is_not_to_be_repaired(tmp_path):
    with pytest.raises(DataError, match=r"there is no image .*missing\.png"):
        open_image(tmp_path / "missing.png")


def test_a_folder_is_told_apart_from_a_damaged_image(tmp_path):
    with pytest.raises(DataError, match=r"is a folder and no image; give the images in it"):
        open_image(tmp_path)


def test_what_pillow_would_wait_for_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "pipe.png")
    for name in ("pipe.png", "link.png"):
        with pytest.raises(
            DataError, match=rf"{name} cannot be read \(it is a named pipe and no file\); repair or remove"
        ):
            open_image(tmp_path / name)
    with pytest.raises(DataError, match=r"/dev/zero cannot be read \(it is a device"):
        open_image("/dev/zero")


def test_a_run_does_not_wait_for_a_pipe_in_a_class_folder(tmp_path):
    for part in ("train", "val"):
        for name in "ab":
            (tmp_path / part / name).mkdir(parents=True)
            Image.fromarray(RAMP).save(tmp_path / part / name / "0.png")
    os.mkfifo(tmp_path / "train" / "a" / "1.png")
    source = open_folder(tmp_path)[0]
    with pytest.raises(DataError, match=r"train/a/1\.png cannot be read \(it is a named pipe"):
        source.stamp(source.names.index("a/1.png"))
