"""The logits of a written file, from a fresh process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import ExportError
from .file_format import FileFormat


def read_back(file: Path, file_format: FileFormat, images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run `file` on each batch of `images`, in a process that knows nothing but the file.

    Args:
        file: What was written.
        file_format: Its format.
        images: float32 (B, C, H, W) by a name.

    Returns:
        The logits by the same names.

    Raises:
        ExportError: The process failed; its last words are in the message.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "images.npz", Path(folder) / "logits.npz"
        np.savez(given, **images)  # pyright: ignore[reportArgumentType]  # numpy's stub mixes up its own option
        # As text, since a program's own folder would come first among those that it imports from.
        command = [sys.executable, "-c", file_format.reader_source(), str(file.absolute()), str(given), str(answer)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            words = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise ExportError(f"a fresh process cannot run the file with {file_format.reads_with}: {words}")
        with np.load(answer) as logits:
            return {name: logits[name] for name in logits}
