"""What a user gives as `arch=` and `space=`, as an `Arch` and a `SearchSpace`."""

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from ..config import parse_yaml, read_mapping
from ..errors import brief, one_line
from ..nearest import did_you_mean
from ..spaces import Arch, ContinuousGene, SearchSpace, get_space

GivenArch = Arch | Mapping[str, Any] | str | PathLike[str]
GivenSpace = SearchSpace | type[SearchSpace] | Mapping[str, Any] | str | PathLike[str]
DEFAULT_SPACE = "attentive_nas"  # of a model whose config names none


def read_space(space: GivenSpace) -> SearchSpace:
    """A search space: as it is, by its name or the path of its table, or by the arguments of `get_space` (a dict);
    or a class of spaces, with its defaults.

    Raises:
        ValueError: There is no such space, or its table is wrong.
    """
    if isinstance(space, SearchSpace):
        return space
    if isinstance(space, type):
        return space()
    if isinstance(space, Mapping):
        return get_space(**space)
    return get_space(space)  # type: ignore[arg-type]


def read_arch(arch: GivenArch, space: GivenSpace = DEFAULT_SPACE) -> Arch:
    """A checked arch of a space, at any resolution, and of a slimmable one at any width.

    Args:
        arch: An `Arch`, a dict of its fields, its printed form, or the path of a YAML or JSON file that holds the dict.
        space: Which space, in any form that `read_space` takes.

    Raises:
        ValueError: It is none of these, or no arch of the space; the message names the gene and its candidates.
        FileNotFoundError: There is no such file.
    """
    if not isinstance(arch, Mapping):
        arch = _read_text(arch)
    arch = Arch(arch)
    return space_around(read_space(space), arch).validate(arch)


def named_arch(text: str, space: SearchSpace) -> Arch:
    """An arch from a preset's name, ``largest``, ``smallest``, a YAML file, or the printed form; else ValueError."""
    if text in space.presets:
        return space.presets[text]
    if text in ("largest", "smallest"):
        return getattr(space, text)()
    if text.endswith((".yaml", ".yml", ".json")):
        return space.validate(read_mapping(text))
    if "=" not in text:
        hint = did_you_mean(text, [*space.presets, "largest", "smallest"])
        raise ValueError(f"no arch {brief(text)}, nor a YAML file or the printed form, 'resolution=192 ...'; {hint}")
    return space.parse(text)


def space_around(space: SearchSpace, arch: Arch) -> SearchSpace:
    """The space at the resolution, and where it is slimmable at the width, of an arch; as it is where it has them.

    Raises:
        ValueError: The arch lacks one of the two.
    """
    resolution = arch.get("resolution")
    if not isinstance(resolution, (int, float)) or resolution < 1 or resolution != int(resolution):
        raise ValueError(f"an arch needs its resolution, one whole number of pixels, not {brief(resolution)}")
    changed = {}
    for gene in space.genes:
        value = arch.get(gene.field)
        if isinstance(gene, ContinuousGene):
            if not isinstance(value, (int, float)) or not value > 0:
                raise ValueError(
                    f"an arch of {space.name} needs its {gene.name}, one number above 0, not {brief(value)}"
                )
            if not gene.low <= value <= gene.high:
                changed[f"{gene.name}s"] = [value, value]
        elif gene.field == "resolution" and value not in gene.choices:
            changed["resolutions"] = [int(resolution)]
    return get_space(**{**_whole(space), **changed}) if changed else space


def space_args(space: SearchSpace, resolution: int) -> dict[str, Any]:
    """What a model's config says of its space, in plain values: nothing of the default's, else its table.

    Of the images' channels the model's own ``in_chans`` says it.
    """
    config = {**_whole(space), "resolutions": [resolution]}
    config.pop("in_chans", None)
    return {} if config.get("name") == DEFAULT_SPACE else {"space": config}


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
        raise ValueError(f"{text} is not valid YAML: {one_line(error)}") from error
    fields = parse_yaml(content, text)
    if not isinstance(fields, Mapping):
        raise ValueError(f"{text} must hold the fields of an arch (resolution, width, ...), not {brief(fields)}")
    return fields


def _whole(space: SearchSpace) -> dict[str, Any]:
    """The arguments of `get_space` for the space that a subspace is of: its archs are archs of the whole."""
    return {key: value for key, value in space.to_config().items() if key not in ("choices", "follow")}
