"""What a user gives as `arch=`, as an `Arch`."""

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from ..config import parse_yaml
from ..errors import brief, one_line
from ..spaces import Arch, AttentiveNASSpace, SearchSpace, UsMobileNetSpace

GivenArch = Arch | Mapping[str, Any] | str | PathLike[str]


def read_arch(arch: GivenArch, space: type[SearchSpace] = AttentiveNASSpace) -> Arch:
    """A checked arch of a space, at any resolution, and of a slimmable one at any width.

    Args:
        arch: An `Arch`, a dict of its fields, its printed form, or the path of a YAML or JSON file that holds the dict.
        space: Which space.

    Raises:
        ValueError: It is none of these, or no arch of the space; the message names the gene and its candidates.
        FileNotFoundError: There is no such file.
    """
    if not isinstance(arch, Mapping):
        arch = _read_text(arch)
    checked = Arch(arch)
    resolution = checked.get("resolution")
    if not isinstance(resolution, (int, float)) or resolution < 1 or resolution != int(resolution):
        raise ValueError(f"an arch needs its resolution, one whole number of pixels, not {brief(resolution)}")
    if issubclass(space, UsMobileNetSpace):
        width = checked.get("width")
        if isinstance(width, tuple) or width is None or not width > 0:
            raise ValueError(f"an arch of {space.name} needs its width, one number above 0, not {brief(width)}")
        return space((int(resolution),), widths=(width, width)).validate(checked)
    return space(resolutions=(int(resolution),)).validate(checked)  # type: ignore[call-arg]


def _read_text(given: str | PathLike[str]) -> Mapping[str, Any]:
    if not isinstance(given, (str, PathLike)):
        raise ValueError(
            f"arch takes an Arch, a dict of its fields, its printed form, or a YAML path, not {brief(given)}"
        )
    text = fspath(given)
    if isinstance(given, str) and not text.endswith((".yaml", ".yml", ".json")):
        return Arch.parse(text)
    try:
        content = Path(text).expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{text} is no YAML file: {one_line(error)}") from error
    fields = parse_yaml(content, text)
    if not isinstance(fields, Mapping):
        raise ValueError(f"{text} must hold the fields of an arch (resolution, width, ...), not {brief(fields)}")
    return fields
