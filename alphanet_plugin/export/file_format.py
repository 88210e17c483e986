"""Formats of exported files: ONNX, and torch's own pt2."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from ..errors import ExportError, how_to_install


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Names in a file.

    Attributes:
        free: Names of the images' free dimensions by their number.
        outputs: Names of the outputs.
    """

    free: Mapping[int, str] = field(default_factory=lambda: {0: "batch"})
    outputs: tuple[str, ...] = ("logits",)


class FileFormat(ABC):
    """A way to write an exported program to a file, and a program that runs such a file by itself.

    Attributes:
        packages: Optional packages that writing or reading needs.
        reader: File name, in this folder, of a program that is called with the file, with images, and with a path for
            the outputs (both .npz; the first output by the images' name, those after it by NAME.1 and so on). It must
            run without this package.
        reads_with: What the reader runs the file with, for people.
    """

    packages: ClassVar[tuple[str, ...]] = ()
    reader: ClassVar[str]
    reads_with: ClassVar[str]

    @abstractmethod
    def write(
        self,
        program: torch.export.ExportedProgram,
        description: Mapping[str, str],
        path: Path,
        layout: Layout | None = None,
        opset: int | None = None,
    ) -> None:
        """Write `program`, which takes images (B, C, H, W), with `description` among the file's metadata.

        Args:
            program: What torch.export made.
            description: Facts by name.
            path: The file.
            layout: Which dimensions of the images are free, and the outputs' names; the batch and logits by default.
            opset: The ONNX operator set; None for the exporter's own. Other formats take None alone.
        """

    def require(self) -> None:
        """ExportError where an optional package is missing; it says what to install."""
        missing = [package for package in self.packages if not _is_there(package)]
        if missing:
            raise ExportError(
                f"this export needs {' and '.join(missing)}, which cannot be imported: "
                + how_to_install(*missing, extra="export")
            )

    def reader_source(self) -> str:
        """The reader's program."""
        return Path(__file__).with_name(self.reader).read_text(encoding="utf-8")


def _is_there(package: str) -> bool:
    try:
        importlib.import_module(package)
    except ImportError:
        return False
    return True


class Pt2Format(FileFormat):
    """One ``.pt2`` file for `torch.export.load`; facts as JSON in its extra file ``model.json``."""

    reader = "read_pt2.py"
    reads_with = "torch.export.load"

    def write(
        self,
        program: torch.export.ExportedProgram,
        description: Mapping[str, str],
        path: Path,
        layout: Layout | None = None,  # noqa: ARG002
        opset: int | None = None,
    ) -> None:
        if opset is not None:
            raise ExportError(f"opset {opset} is ONNX's; a pt2 file has none, leave it out")
        with open(path, "wb") as file, warnings.catch_warnings():
            # torch says so of every weight that is channels_last, and keeps it well.
            warnings.filterwarnings("ignore", message="No complete tensor found in the group")
            torch.export.save(program, file, extra_files={"model.json": json.dumps(dict(description), indent=1)})


OLDEST_PROGRAM_OPSET = 18
"""torch's exporter of programs writes no older one, and what it writes cannot be converted down."""
OLDEST_OPSET = 11
"""Of this package's networks, whose shortcuts are padded by the images' size; some others of timm's go down to 7."""
_OLDEST_OF_TORCH = 7


class OnnxFormat(FileFormat):
    """One ``.onnx`` file: input ``images`` (batch, C, H, W), outputs as `Layout` says, facts in ``metadata_props``."""

    packages = ("onnx", "onnxscript", "onnxruntime")
    reader = "read_onnx.py"
    reads_with = "onnxruntime"

    def write(
        self,
        program: torch.export.ExportedProgram,
        description: Mapping[str, str],
        path: Path,
        layout: Layout | None = None,
        opset: int | None = None,
    ) -> None:
        layout = layout or Layout()
        exported = torch.onnx.export(
            program,
            input_names=["images"],
            output_names=list(layout.outputs),
            dynamic_shapes=(dict(layout.free),),  # the dimensions' names in the file
            opset_version=opset,
            dynamo=True,
            verbose=False,
        )
        assert exported is not None
        exported.model.metadata_props.update(description)
        exported.save(path, external_data=False)
        check_opset(path, opset)

    def write_older(
        self,
        model: nn.Module,
        images: torch.Tensor,
        description: Mapping[str, str],
        path: Path,
        layout: Layout,
        opset: int,
    ) -> None:
        """Write `model` for runtimes that know no `OLDEST_PROGRAM_OPSET`, by torch's exporter of traced models."""
        import onnx

        with warnings.catch_warnings(), _without_graphs():
            warnings.simplefilter("ignore")  # it calls itself deprecated, and says which constants it does not fold
            torch.onnx.export(
                model,
                (images,),
                str(path),
                input_names=["images"],
                output_names=list(layout.outputs),
                dynamic_axes={"images": dict(layout.free), **{name: {0: layout.free[0]} for name in layout.outputs}},
                opset_version=opset,
                dynamo=False,
            )
        written = onnx.load(str(path))
        onnx.helper.set_model_props(written, dict(description))
        onnx.save(written, str(path))
        check_opset(path, opset)


def require_opset(opset: int) -> None:
    """ExportError where neither of torch's exporters can write this operator set, whatever the network."""
    newest = _newest_opset()
    if not _OLDEST_OF_TORCH <= opset <= newest:
        raise ExportError(
            f"opset {opset} cannot be written: torch and the installed onnx reach {_OLDEST_OF_TORCH} to {newest}, and "
            f"this package's networks need {OLDEST_OPSET} or later"
        )


def opsets_that_work() -> str:
    """For messages about one that does not."""
    return f"this package's networks can be had at opsets {OLDEST_OPSET} to {_newest_opset()}"


def _newest_opset() -> int:
    from onnx.defs import onnx_opset_version

    return onnx_opset_version()


@contextlib.contextmanager
def _without_graphs() -> Iterator[None]:
    """torch's older exporter prints the graph of a network that it cannot write on the process's standard output."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def check_opset(path: Path, opset: int | None) -> None:
    """ExportError where the file at `path` is not of the operator set that was asked for."""
    import onnx

    domains = {each.domain: each.version for each in onnx.load(str(path), load_external_data=False).opset_import}
    if opset is not None and domains[""] != opset:
        raise ExportError(f"asked for opset {opset}, torch's exporter gives {domains['']}; give --opset {domains['']}")
