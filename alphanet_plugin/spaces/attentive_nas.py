"""The search space of AttentiveNAS (CVPR 2021) and AlphaNet (ICML 2021, Table 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .arch import Arch
from .costs import Cost, MacPart, block_cost, conv_cost, halved, linear_cost, total
from .gene import Gene, check_resolutions
from .network import BlockSpec, NetworkSpec, make_divisible
from .space import SearchSpace


class Stage(NamedTuple):
    """One row of Table 7: candidates, and what is fixed."""

    width: tuple[int, ...]
    depth: tuple[int, ...]
    expand_ratio: tuple[int, ...]
    se: bool
    stride: int


RESOLUTIONS = (192, 224, 256, 288)
STEM_WIDTHS = (16, 24)
HEAD_WIDTHS = (1792, 1984)
KERNEL_SIZES = (3, 5)
HEAD_EXPAND_RATIO = 6
STAGES = {
    "mb1": Stage((16, 24), (1, 2), (1,), se=False, stride=1),
    "mb2": Stage((24, 32), (3, 4, 5), (4, 5, 6), se=False, stride=2),
    "mb3": Stage((32, 40), (3, 4, 5, 6), (4, 5, 6), se=True, stride=2),
    "mb4": Stage((64, 72), (3, 4, 5, 6), (4, 5, 6), se=False, stride=2),
    # Table 7 prints {112, 128}; the released space, and the archs published from it, also have 120.
    "mb5": Stage((112, 120, 128), (3, 4, 5, 6, 7, 8), (4, 5, 6), se=True, stride=1),
    "mb6": Stage((192, 200, 208, 216), (3, 4, 5, 6, 7, 8), (6,), se=True, stride=2),
    "mb7": Stage((216, 224), (1, 2), (6,), se=True, stride=1),
}
_STAGES = tuple(STAGES.values())

# Rank of the resolution, then width, depth, kernel_size and expand_ratio.
_PRESETS = {
    "a0": (0, "16 16 24 32 64 112 192 216 1792", "1 3 3 3 3 3 1", "3 3 3 3 3 3 3", "1 4 4 4 4 6 6"),
    "a1": (1, "16 16 24 32 64 112 192 216 1984", "1 3 3 3 3 3 1", "3 3 3 5 3 5 3", "1 4 4 4 4 6 6"),
    "a2": (1, "16 16 24 32 64 112 200 224 1984", "1 3 3 3 3 4 1", "3 3 3 3 3 5 3", "1 4 5 4 4 6 6"),
    "a3": (1, "16 16 24 32 64 112 208 224 1984", "2 3 3 4 3 5 1", "3 3 3 5 3 3 3", "1 4 4 4 4 6 6"),
    "a4": (2, "16 16 24 32 64 112 192 216 1984", "1 3 3 4 3 5 1", "3 3 3 5 3 5 3", "1 4 4 5 4 6 6"),
    "a5": (2, "16 16 24 32 64 112 208 216 1984", "1 3 3 4 4 5 1", "3 3 3 3 3 5 3", "1 4 4 5 4 6 6"),
    "a5_base": (3, "16 16 24 32 64 112 200 216 1984", "2 3 4 3 3 5 1", "3 3 5 5 3 3 3", "1 4 4 4 5 6 6"),
    "a6": (3, "16 16 24 32 64 112 216 224 1984", "1 3 3 4 4 6 1", "3 3 3 3 3 5 3", "1 4 6 5 4 6 6"),
}
# AttentiveNAS published the same archs but for a5, and no a5_base.
_ATTENTIVE_NAS_A5 = (2, "16 16 24 32 72 112 192 216 1792", "1 3 3 3 4 6 1", "3 3 3 5 3 3 3", "1 4 5 4 4 6 6")


class AttentiveNASSpace(SearchSpace):
    """Stem, seven stages and head; all blocks of a stage share width, kernel size and expand ratio.

    Fields of an arch: ``resolution`` (one number), ``width`` (9: stem, mb1..mb7, head), ``depth``, ``kernel_size`` and
    ``expand_ratio`` (7 each: mb1..mb7).

    Args:
        resolutions: Candidates for the input's side in pixels, ascending. The presets, published for 192, 224, 256 and
            288, take the one of the same rank (of the proportional rank where there are not four).
    """

    name = "attentive_nas"

    def __init__(self, resolutions: Sequence[int] = RESOLUTIONS):
        self.resolutions = check_resolutions(resolutions)
        self.genes = _genes(self.resolutions)

    def to_config(self) -> dict[str, Any]:
        return {"name": self.name, "resolutions": list(self.resolutions)}

    @cached_property
    def presets(self) -> Mapping[str, Arch]:
        return {name: self._published_arch(*row) for name, row in _PRESETS.items()}

    @cached_property
    def attentive_nas_presets(self) -> Mapping[str, Arch]:
        """The archs that the AttentiveNAS paper published; `presets` are AlphaNet's."""
        rows = {name: row for name, row in _PRESETS.items() if name != "a5_base"}
        return {name: self._published_arch(*row) for name, row in {**rows, "a5": _ATTENTIVE_NAS_A5}.items()}

    def _published_arch(self, rank: int, *lists: str) -> Arch:
        return self.arch(
            resolution=self.resolutions[round(rank * (len(self.resolutions) - 1) / 3)],
            **{field: _numbers(text) for field, text in zip(_FIELDS, lists, strict=True)},
        )

    def network(self, arch: Arch) -> NetworkSpec:
        stem, *widths, head = arch.width
        shapes = zip(widths, arch.depth, arch.kernel_size, arch.expand_ratio, strict=True)
        stages = tuple(
            _stage_blocks(index, in_channels, *shape)
            for index, (in_channels, shape) in enumerate(zip([stem, *widths], shapes, strict=False))
        )
        return NetworkSpec(
            resolution=arch.resolution,
            stem_channels=stem,
            stages=stages,
            expand_channels=HEAD_EXPAND_RATIO * widths[-1],
            head_channels=head,
        )

    def cost(self, arch: Arch, num_classes: int = 1000) -> Cost:
        in_channels, *widths, head = arch.width
        side = halved(arch.resolution)
        macs, params, idle_params = conv_cost(3, in_channels, 3, side, norm=True)
        shapes = zip(widths, arch.depth, arch.kernel_size, arch.expand_ratio, strict=True)
        for index, shape in enumerate(shapes):
            stage = _stage_cost(index, side, in_channels, *shape)
            macs += stage.macs
            params += stage.params
            idle_params += stage.idle_params
            side = halved(side) if _STAGES[index].stride == 2 else side
            in_channels = shape[0]
        tail = _head_cost(side, in_channels, head, num_classes)
        return Cost(macs + tail.macs, params + tail.params, idle_params)

    def cost_batch(self, values: NDArray[np.integer], num_classes: int = 1000) -> NDArray[np.int64]:
        columns = [gene.indices(column) for gene, column in zip(self.genes, values.T, strict=True)]
        costs = np.zeros((3, len(values)), dtype=np.int64)
        for genes, table in _cost_tables(self.genes, num_classes):
            place = np.zeros(len(values), dtype=np.int64)
            for gene in genes:
                place *= len(self.genes[gene].choices)
                place += columns[gene]
            costs += table[:, place]
        return costs

    def mac_parts(self, num_classes: int = 1000) -> list[MacPart]:
        return [MacPart(tuple(genes), table[0]) for genes, table in _cost_tables(self.genes, num_classes)]


_FIELDS = ("width", "depth", "kernel_size", "expand_ratio")


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def _genes(resolutions: tuple[int, ...]) -> tuple[Gene, ...]:
    widths = {"stem": STEM_WIDTHS, **{name: stage.width for name, stage in STAGES.items()}, "head": HEAD_WIDTHS}
    columns = {
        "width": widths,
        "depth": {name: stage.depth for name, stage in STAGES.items()},
        "kernel_size": dict.fromkeys(STAGES, KERNEL_SIZES),
        "expand_ratio": {name: stage.expand_ratio for name, stage in STAGES.items()},
    }
    genes = [Gene(name="resolution", field="resolution", index=None, choices=resolutions)]
    for field, parts in columns.items():
        for index, (part, choices) in enumerate(parts.items()):
            genes.append(Gene(name=f"{part}.{field}", field=field, index=index, choices=choices))
    return tuple(genes)


@cache
def _stage_blocks(
    index: int, in_channels: int, width: int, depth: int, kernel_size: int, expand_ratio: int
) -> tuple[BlockSpec, ...]:
    stage = _STAGES[index]
    blocks = []
    for number in range(depth):
        mid_channels = make_divisible(in_channels * expand_ratio)
        blocks.append(
            BlockSpec(
                in_channels=in_channels,
                mid_channels=mid_channels,
                out_channels=width,
                kernel_size=kernel_size,
                stride=stage.stride if number == 0 else 1,
                se_channels=make_divisible(mid_channels // 4) if stage.se else 0,
                expands=expand_ratio > 1,
            )
        )
        in_channels = width
    return tuple(blocks)


@cache
def _stage_cost(
    index: int, side: int, in_channels: int, width: int, depth: int, kernel_size: int, expand_ratio: int
) -> Cost:
    costs = []
    for block in _stage_blocks(index, in_channels, width, depth, kernel_size, expand_ratio):
        costs.append(block_cost(block, side))
        side = halved(side) if block.stride == 2 else side
    return total(costs)


def _head_cost(side: int, in_channels: int, width: int, num_classes: int) -> Cost:
    expanded = HEAD_EXPAND_RATIO * in_channels
    parts = [conv_cost(in_channels, expanded, 1, side, norm=True), conv_cost(expanded, width, 1, 1, norm=False)]
    return total(parts + ([linear_cost(width, num_classes)] if num_classes else []))


@cache
def _cost_tables(genes: tuple[Gene, ...], num_classes: int) -> list[tuple[list[int], NDArray[np.int64]]]:
    """For stem, each stage and head: the genes it depends on, and costs (3, product of their candidates)."""
    place = {gene.name: number for number, gene in enumerate(genes)}
    names = ["stem", *STAGES, "head"]

    def table(used: list[str], cost: Callable[..., Cost]) -> tuple[list[int], NDArray[np.int64]]:
        numbers = [place[name] for name in used]
        grid = np.meshgrid(*[genes[number].choices for number in numbers], indexing="ij")
        rows = np.stack([axis.ravel() for axis in grid], axis=1).tolist()
        return numbers, np.asarray([cost(*row) for row in rows], dtype=np.int64).T.copy()

    def side_after(resolution: int, stages: int) -> int:
        side = halved(resolution)
        for stage in _STAGES[:stages]:
            side = halved(side) if stage.stride == 2 else side
        return side

    tables = [table(["resolution", "stem.width"], lambda r, w: conv_cost(3, w, 3, halved(r), norm=True))]
    for index, name in enumerate(STAGES):
        used = ["resolution", f"{names[index]}.width", *(f"{name}.{field}" for field in _FIELDS)]
        tables.append(table(used, lambda r, *row, i=index: _stage_cost(i, side_after(r, i), *row)))
    head = ["resolution", "mb7.width", "head.width"]
    tables.append(table(head, lambda r, c, w: _head_cost(side_after(r, len(_STAGES)), c, w, num_classes)))
    return tables
