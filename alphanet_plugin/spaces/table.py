"""The table of a space of mobile networks, as YAML holds it, read and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, cast, get_args

from ..errors import brief
from ..nearest import did_you_mean
from ..shipped import shipped
from ..yaml_text import number_from_text, parse_yaml
from .gene import check_resolutions
from .network import Activation

Number = int | float
Candidates = int | tuple[int, ...]

BLOCK_FIELDS = ("width", "kernel_size", "expand_ratio")
_KERNELS = "odd numbers of 1 or more such as 3, 5, 7"
_WHOLE = "whole numbers of 1 or more"
_MOST = 100_000  # channels, pixels or times; beyond is a slip, and would fill the memory
_MOST_BLOCKS = 100  # of a stage


@dataclass(frozen=True, kw_only=True)
class StemRow:
    """The 3x3 convolution that begins the network.

    Attributes:
        width: Channels: one number, or candidates.
        stride: 1 or 2.
        act: Activation; None for the table's.
    """

    width: Candidates
    stride: int = 2
    act: Activation | None = None


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One stage of blocks. A number is fixed; a list holds the candidates of a gene.

    Attributes:
        width: Channels of each block's output.
        depth: How many blocks.
        kernel_size: Side of the depthwise kernels.
        expand_ratio: Channels of the depthwise convolution over those of the block's input; 1: no expansion before it.
        name: Begins the names of its genes; by default ``stage1`` and so on.
        stride: Of the first block, 1 or 2.
        se: Whether the blocks have squeeze-and-excitation.
        act: Activation; None for the table's.
        per_block: Fields of which every block has a gene of its own; None for the table's.
    """

    width: Candidates
    depth: Candidates
    kernel_size: Candidates
    expand_ratio: Candidates
    name: str = ""
    stride: int = 1
    se: bool = False
    act: Activation | None = None
    per_block: tuple[str, ...] | None = None

    @property
    def most_blocks(self) -> int:
        return self.depth if isinstance(self.depth, int) else self.depth[-1]

    @property
    def fewest_blocks(self) -> int:
        return self.depth if isinstance(self.depth, int) else self.depth[0]


@dataclass(frozen=True, kw_only=True)
class HeadRow:
    """What follows the last stage: a 1x1 convolution, pooling, and a 1x1 convolution of one pixel.

    Attributes:
        expand_width: Channels of the convolution before pooling; 0 for none.
        expand_ratio: The same as a multiple of the last stage's width; one of the two.
        width: Channels of the convolution after pooling: one number, 0 for none, or candidates.
        act: Activation; None for the table's.
    """

    expand_width: int = 0
    expand_ratio: int = 0
    width: Candidates = 0
    act: Activation | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A search space of mobile networks.

    Attributes:
        name: What the space is called.
        resolutions: Candidates for the input's side in pixels, ascending.
        stem: The first convolution.
        stages: The stages of blocks.
        head: What follows them.
        width_mult: Multiplies every number of channels, rounded by `make_divisible`.
        act: Activation where a row names none.
        shortcut: ``project`` (2x2 average pooling where the block strides, a 1x1 convolution where the channels
            change) or ``identity`` (only where the block has stride 1 and as many channels out as in, else none).
        norm_eps: What BatchNorm adds to the variance.
        se_reduction: Squeeze-and-excitation's hidden channels are make_divisible(channels // this).
        per_block: Fields of which every block has a gene of its own, of width, kernel_size and expand_ratio; the
            others have one for each stage.
        presets: Named archs, smallest first: field to value, where one number stands for a whole field.
    """

    name: str
    resolutions: tuple[int, ...]
    stem: StemRow
    stages: tuple[StageRow, ...]
    head: HeadRow = HeadRow()
    width_mult: float = 1.0
    act: Activation = "silu"
    shortcut: Literal["project", "identity"] = "project"
    norm_eps: float = 1e-5
    se_reduction: int = 4
    per_block: tuple[str, ...] = ()
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_table(values: object, name: str) -> Table:
    """A checked table from what YAML holds.

    Args:
        values: Keys as in `Table`, rows as mappings.
        name: The space's name where the table has no ``name``.

    Raises:
        ValueError: The message names the row, the value and what is allowed.
    """
    given = {"name": name, **_mapping(values, f"table {name}")}
    where = f"table {given['name']}: "
    _check_keys(Table, given, where)
    stages = given["stages"]
    if not isinstance(stages, (list, tuple)) or not stages:
        raise ValueError(f"{where}stages holds a list of at least one stage, not {brief(stages)}")
    act = _act(given.get("act", "silu"), f"{where}act")
    per_block = _per_block(given.get("per_block", ()), f"{where}per_block")
    rows = tuple(_stage(row, number, where) for number, row in enumerate(stages, 1))
    _check_names(rows, where)
    return Table(
        name=_text(given["name"], f"{where}name"),
        resolutions=_resolutions(given["resolutions"], where),
        stem=_stem(given["stem"], f"{where}stem"),
        stages=rows,
        head=_head(given.get("head", {}), f"{where}head"),
        width_mult=check_positive(given.get("width_mult", 1.0), f"{where}width_mult"),
        act=act,
        shortcut=_one_of(given.get("shortcut", "project"), ("project", "identity"), f"{where}shortcut"),
        norm_eps=check_positive(given.get("norm_eps", 1e-5), f"{where}norm_eps"),
        se_reduction=_whole(given.get("se_reduction", 4), f"{where}se_reduction"),
        per_block=per_block,
        presets=_presets(given.get("presets", {}), f"{where}presets"),
    )


def written_table(table: Table) -> dict[str, Any]:
    """What `read_table` reads back, without what a table has anyway; for YAML and JSON."""
    return _written(table)


def _written(value: Any) -> Any:
    if is_dataclass(value):
        given = {one.name: getattr(value, one.name) for one in fields(value)}
        return {key: _written(given[key]) for key in given if given[key] != _default(type(value), key)}
    if isinstance(value, Mapping):
        return {key: _written(one) for key, one in value.items()}
    return [_written(one) for one in value] if isinstance(value, (list, tuple)) else value


def _default(row: type, key: str) -> Any:
    one = row.__dataclass_fields__[key]  # type: ignore[attr-defined]
    return one.default if one.default_factory is MISSING else one.default_factory()


@cache
def shipped_tables() -> dict[str, Table]:
    """The tables that come with this package, by name."""
    return {
        path.stem: read_table(parse_yaml(path.read_text(encoding="utf-8"), path.name), path.stem)
        for path in sorted(shipped("configs/spaces").glob("*.yaml"))
    }


def _stem(values: object, where: str) -> StemRow:
    row = _row(StemRow, values, where)
    return StemRow(
        width=_candidates(row["width"], f"{where}: width"),
        stride=_one_of(row.get("stride", 2), (1, 2), f"{where}: stride"),
        act=_act(row.get("act"), f"{where}: act"),
    )


def _stage(values: object, number: int, table: str) -> StageRow:
    name = values.get("name", f"stage{number}") if isinstance(values, Mapping) else f"stage{number}"
    where = f"{table}row {number} of stages ({name})"
    row = _row(StageRow, values, where)
    expand_ratio = _candidates(row["expand_ratio"], f"{where}: expand_ratio")
    if isinstance(expand_ratio, tuple) and len(expand_ratio) > 1 and expand_ratio[0] == 1:
        raise ValueError(
            f"{where}: expand_ratio {list(expand_ratio)} mixes 1, a block without expansion, with others; "
            "all networks of a space have the same layers: give 1 alone, or candidates from 2 on"
        )
    depth = _candidates(row["depth"], f"{where}: depth")
    if max(depth if isinstance(depth, tuple) else (depth,)) > _MOST_BLOCKS:
        raise ValueError(f"{where}: depth is at most {_MOST_BLOCKS} blocks, not {brief(depth)}")
    return StageRow(
        name=_text(name, f"{where}: name"),
        width=_candidates(row["width"], f"{where}: width"),
        depth=depth,
        kernel_size=_candidates(row["kernel_size"], f"{where}: kernel_size", odd=True),
        expand_ratio=expand_ratio,
        stride=_one_of(row.get("stride", 1), (1, 2), f"{where}: stride"),
        se=_one_of(row.get("se", False), (False, True), f"{where}: se"),
        act=_act(row.get("act"), f"{where}: act"),
        per_block=None if row.get("per_block") is None else _per_block(row["per_block"], f"{where}: per_block"),
    )


def _head(values: object, where: str) -> HeadRow:
    row = _row(HeadRow, values, where)
    if row.get("expand_width") and row.get("expand_ratio"):
        raise ValueError(f"{where}: give expand_width or expand_ratio, not both")
    width = row.get("width", 0)
    return HeadRow(
        expand_width=_whole(row.get("expand_width", 0), f"{where}: expand_width", least=0),
        expand_ratio=_whole(row.get("expand_ratio", 0), f"{where}: expand_ratio", least=0),
        width=0 if width == 0 and not isinstance(width, bool) else _candidates(width, f"{where}: width"),
        act=_act(row.get("act"), f"{where}: act"),
    )


def _presets(values: object, where: str) -> dict[str, dict[str, Any]]:
    return {str(name): dict(_mapping(fields, f"{where}: {name}")) for name, fields in _mapping(values, where).items()}


# -- checks -----------------------------------------------------------------------------------------------------------


def _mapping(values: object, where: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} holds keys and values, not {brief(values)}")
    return values


def _row(row: type, values: object, where: str) -> Mapping[str, Any]:
    given = _mapping(values, where)
    _check_keys(row, given, f"{where}: ")
    return given


def _check_keys(row: type, given: Iterable[str], where: str) -> None:
    known = {one.name: one for one in fields(row)}
    for key in given:
        if key not in known:
            raise ValueError(f"{where}{key} is no key; {did_you_mean(key, known)}")
    for one in known.values():
        if one.default is MISSING and one.default_factory is MISSING and one.name not in given:
            raise ValueError(f"{where}{one.name} is missing")


def _check_names(stages: tuple[StageRow, ...], where: str) -> None:
    names = ["stem", "head"]
    for stage in stages:
        if stage.name in names or "." in stage.name:
            raise ValueError(f"{where}a stage is called {stage.name!r}; take another name, without a dot")
        names.append(stage.name)


def _is_whole(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _MOST


def _whole(value: object, where: str, least: int = 1) -> int:
    if not _is_whole(value, least):
        raise ValueError(f"{where} is a whole number from {least} to {_MOST:,}, not {brief(value)}")
    return cast(int, value)


def _candidates(value: object, where: str, *, odd: bool = False) -> Candidates:
    """A fixed number, or candidates in ascending order."""
    numbers: tuple[Any, ...] = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if (
        not numbers
        or not all(_is_whole(number) and (number % 2 or not odd) for number in numbers)
        or list(numbers) != sorted(set(numbers))
    ):
        kinds = f"{_KERNELS if odd else _WHOLE}, up to {_MOST:,}"
        raise ValueError(f"{where} is a number or an ascending list of candidates, {kinds}, not {brief(value)}")
    return cast(Candidates, numbers if isinstance(value, (list, tuple)) else value)


def check_positive(value: object, where: str) -> float:
    """`value` as a float; ValueError where it is no finite number above 0."""
    number = number_from_text(value)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number < float("inf"):
        raise ValueError(f"{where} is a number above 0, not {brief(value)}")
    return float(number)


T = TypeVar("T")


def _one_of(value: object, allowed: tuple[T, ...], where: str) -> T:
    for choice in allowed:
        if type(choice) is type(value) and choice == value:
            return choice
    raise ValueError(f"{where} is one of {', '.join(map(str, allowed))}, not {brief(value)}")


def _act(value: object, where: str) -> Any:
    return None if value is None else _one_of(value, get_args(Activation), where)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or value != "".join(value.split()):
        raise ValueError(f"{where} is a text without spaces, not {brief(value)}")
    return value


def _per_block(value: object, where: str) -> tuple[str, ...]:
    names = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return tuple(_one_of(name, BLOCK_FIELDS, where) for name in names)


def _resolutions(value: object, where: str) -> tuple[int, ...]:
    try:
        return check_resolutions(cast(Any, value))
    except (ValueError, TypeError):
        raise ValueError(f"{where}resolutions are ascending whole numbers of pixels, not {brief(value)}") from None
