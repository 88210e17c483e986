"""What a fixed teacher says of each view of a data set, asked once and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..atomic import atomic_file
from ..digest import json_digest
from ..errors import CheckpointError, StoreError, how_to_write
from ..models import memory_format_of

_PART = 8192  # draws of one file
_NAME = "logits"


class TeacherLogits:
    """A teacher's logits by draw (see `data.SeededDataset`): 4 bytes a class and draw, read from disk when needed.

    They lie in ``FOLDER/DIGEST/part_00000.safetensors`` and so on, DIGEST being that of `key`. Each file is written
    whole or not at all and says whose it is, so a fill that was killed goes on with the files that are missing, several
    runs may share a folder, and a file of something else is refused.

    Args:
        folder: Where caches lie.
        key: All that decides the logits, as JSON holds it.
        num_draws: How many draws there are.
        num_classes: K.
    """

    def __init__(self, folder: Path, key: Mapping[str, Any], num_draws: int, num_classes: int):
        self.digest = json_digest(key)
        self.folder = folder / self.digest[:16]
        self.num_draws = num_draws
        self.num_classes = num_classes
        self._opened: dict[int, Any] = {}

    def __getitem__(self, draw: int) -> Tensor:
        """float32 logits (K,) of a draw.

        Raises:
            CheckpointError: They are not there, damaged, or of something else.
        """
        part, row = divmod(draw, _PART)
        if part not in self._opened:
            self._opened[part] = self._open(part)
        return self._opened[part][row]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": {}}  # open files do not travel to a loader's processes

    def fill(
        self,
        accelerator: Accelerator,
        teacher: Callable[[Tensor], Tensor],
        images: Callable[[Sequence[int]], Iterable[Sequence[Tensor]]],
        on_filled: Callable[[int, int], None] | None = None,
    ) -> None:
        """Ask the teacher for all that is not there yet; the ranks share the work.

        Args:
            accelerator: Of the run.
            teacher: Images (B, C, H, W) on the device -> logits (B, K).
            images: Draws -> batches of their images, in that order.
            on_filled: Told by the main rank how many of how many draws are there.

        Raises:
            CheckpointError: A file is damaged or of something else.
            StoreError: A file cannot be written.
        """
        missing = [part for part in range(-(-self.num_draws // _PART)) if not self._is_there(part)]
        accelerator.wait_for_everyone()  # nobody writes before all have looked
        for number, part in enumerate(missing[accelerator.process_index :: accelerator.num_processes]):
            self._write(part, torch.cat([
                teacher(batch[0].to(accelerator.device, memory_format=memory_format_of(accelerator.device))).cpu()
                for batch in images(self._draws(part))
            ]))  # fmt: skip
            if on_filled and accelerator.is_main_process:
                left = max(0, len(missing) - (number + 1) * accelerator.num_processes)
                on_filled(max(0, self.num_draws - left * _PART), self.num_draws)
        accelerator.wait_for_everyone()
        for part in missing:
            if not self._is_there(part):
                raise StoreError(
                    f"{self._path(part)} is not there on every machine; give teacher.cache a shared folder"
                )

    def _draws(self, part: int) -> range:
        return range(part * _PART, min((part + 1) * _PART, self.num_draws))

    def _path(self, part: int) -> Path:
        return self.folder / f"part_{part:05d}.safetensors"

    def _is_there(self, part: int) -> bool:
        if not self._path(part).is_file():
            return False
        self._open(part)
        return True

    def _open(self, part: int) -> Any:
        path = self._path(part)
        try:
            file = safe_open(path, framework="pt")
            owner, rows = (file.metadata() or {}).get("key"), file.get_slice(_NAME)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"cannot read the teacher's logits {path}: {error}; delete it to make it anew"
            ) from error
        if owner != self.digest or rows.get_shape() != [len(self._draws(part)), self.num_classes]:
            raise CheckpointError(f"{path} holds logits of another teacher or of other images; delete it and run again")
        return rows

    def _write(self, part: int, logits: Tensor) -> None:
        path = self._path(part)
        try:
            with atomic_file(path) as beside:
                save_file({_NAME: logits.float().contiguous()}, beside, metadata={"key": self.digest})
        except (SafetensorError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StoreError(
                f"cannot keep the teacher's logits in {path}: {reason}; {how_to_write(error)}, or set teacher.cache"
            ) from error


def weights_digest(model: nn.Module) -> str:
    """sha256 of a model's state: names, types, shapes and values."""
    whole = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        whole.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return whole.hexdigest()
