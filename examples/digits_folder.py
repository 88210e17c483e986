"""Write scikit-learn's digits as a folder of pictures, as timm reads them: ROOT/{train,val}/{even,odd}/*.png.

    python examples/digits_folder.py data/digits

No picture of ``val`` is among those that `alphanet quickstart` trains or searches on.
"""

from __future__ import annotations

import sys
from pathlib import Path

from alphanet_plugin.data import build_splits
from alphanet_plugin.data.digits import digit_image, digit_labels

CLASSES = ("even", "odd")


def write_digits(root: Path) -> None:
    """1,437 pictures of 8x8 pixels to train on and 360 to test on."""
    test = set(build_splits("digits", image_size=8).test.positions)  # pyright: ignore[reportAttributeAccessIssue]
    for position, label in enumerate(digit_labels()):
        folder = root / ("val" if position in test else "train") / CLASSES[label % 2]
        folder.mkdir(parents=True, exist_ok=True)
        digit_image(position).save(folder / f"{position:04}.png")


if __name__ == "__main__":
    write_digits(Path(sys.argv[1]))
