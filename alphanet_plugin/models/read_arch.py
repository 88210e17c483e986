"""What a user gives as `arch=`, as an `Arch`."""

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import yaml

from ..spaces import Arch, AttentiveNASSpace

GivenArch = Arch | Mapping[str, Any] | str | PathLike[str]


def read_arch(arch: GivenArch) -> Arch:
    """A checked arch of the AttentiveNAS space, at any resolution.

    Args:
        arch: An `Arch`, a dict of its fields, its printed form, or the path of a YAML or JSON file that holds the dict.

    Raises:
        ValueError: It is none of these, or no arch of the space; the message names the gene and its candidates.
        FileNotFoundError: There is no such file.
    """
    if not isinstance(arch, Mapping):
        arch = _read_text(arch)
    checked = Arch(arch)
    resolution = checked.get("resolution")
    if not isinstance(resolution, int) or resolution < 1:
        raise ValueError(f"an arch needs its resolution, one whole number of pixels, not {resolution!r}")
    return AttentiveNASSpace(resolutions=(resolution,)).validate(checked)


def _read_text(given: str | PathLike[str]) -> Mapping[str, Any]:
    if not isinstance(given, (str, PathLike)):
        raise ValueError(f"arch takes an Arch, a dict of its fields, its printed form, or a YAML path, not {given!r}")
    text = fspath(given)
    if isinstance(given, str) and not text.endswith((".yaml", ".yml", ".json")):
        return Arch.parse(text)
    try:
        fields = yaml.safe_load(Path(text).expanduser().read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{text} is no YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(fields, Mapping):
        raise ValueError(f"{text} must hold the fields of an arch (resolution, width, depth, ...), not {fields!r:.60}")
    return fields
