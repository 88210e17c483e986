"""Search spaces of mobile networks, each read from a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .arch import Arch
from .costs import Cost, MacPart, block_cost, conv_cost, head_cost, strided, total
from .gene import Activity, AnyGene, Gene, Place, check_in_chans, check_resolutions
from .network import BlockSpec, NetworkSpec, make_divisible
from .space import SearchSpace
from .subspace import read_choices, read_follow, subspace_of, written_choices, written_follow
from .table import Candidates, StageRow, Table, check_positive, shipped_tables, written_table

CostTables = list[tuple[list[int], NDArray[np.int64]]]

# Archs that are counted at a time: what is looked up for them then stays in the processor's cache.
_CHUNK = 16_384
# Of spaces made again and again, as those of a configuration are: by what makes them, and the number of classes.
_COST_TABLES: dict[tuple[str, tuple[AnyGene, ...], int], CostTables] = {}


class _Entry(NamedTuple):
    """A number of the network: fixed, or at a place of the arch."""

    place: int | None
    fixed: int = 0

    def of(self, entries: Mapping[int, int] | Sequence[int]) -> int:
        return self.fixed if self.place is None else entries[self.place]


class _Stage(NamedTuple):
    """Where the numbers of a stage stand; `widths`, `kernel_sizes` and `expand_ratios` have an entry for each block."""

    row: StageRow
    depth: _Entry
    widths: tuple[_Entry, ...]
    kernel_sizes: tuple[_Entry, ...]
    expand_ratios: tuple[_Entry, ...]

    def width(self, entries: Mapping[int, int] | Sequence[int]) -> int:
        """Channels of the stage's output."""
        last = self.widths[0] if self._one_width() else self.widths[self.depth.of(entries) - 1]
        return last.of(entries)

    def width_entries(self) -> list[_Entry]:
        """What the width of the output depends on."""
        last = self.widths[self.row.fewest_blocks - 1 :]
        return [self.widths[0]] if self._one_width() else [self.depth, *last]

    def _one_width(self) -> bool:
        return len(set(self.widths)) == 1


class MobileSpace(SearchSpace):
    """Stem, stages of mobile inverted-bottleneck blocks, and head, as a table says.

    Fields of an arch are those of which the table has candidates: ``resolution`` (one number), ``width`` (stem, stages,
    head), ``depth`` (a number for each stage), ``kernel_size`` and ``expand_ratio`` (a number for each stage, or for
    each block of its greatest depth). Genes are called after their row: ``mb3.width``, or ``mb3.0.kernel_size`` for
    the first block's.

    Args:
        table: From `alphanet_plugin.spaces.read_table`; by default that of ``attentive_nas``.
        resolutions: Candidates for the input's side in pixels, ascending; None for the table's. A preset takes the one
            of the same rank (of the proportional rank where there are more or fewer; the greatest where the table has
            one resolution).
        width_mult: Multiplies every number of channels; None for the table's.
        choices: Candidates that are left of some genes, as `read_choices` reads them; None for all.
        follow: Genes that follow others, as `read_follow` reads them. With either it is a subspace: its archs are archs
            of the whole, and its supernet is as large as its own largest.
        in_chans: Channels of the images.
        own_table: Whether the table is the user's, and `to_config` has to hold it.
    """

    def __init__(
        self,
        table: Table | None = None,
        *,
        resolutions: Sequence[int] | None = None,
        width_mult: float | None = None,
        choices: Mapping[str, Any] | None = None,
        follow: Mapping[str, Any] | None = None,
        in_chans: int = 3,
        own_table: bool = False,
    ):
        table = shipped_tables()["attentive_nas"] if table is None else table
        self.table = table
        self.name = table.name
        self.resolutions = table.resolutions if resolutions is None else check_resolutions(resolutions)
        self.width_mult = table.width_mult if width_mult is None else check_positive(width_mult, "width_mult")
        self.in_chans = check_in_chans(in_chans)
        self._own_table = own_table
        layout = _Layout(self.resolutions)
        self._stem = layout.entry("stem.width", self._widths(table.stem.width))
        widths = [layout.block_entries(row, "width", self._widths(row.width), table.per_block) for row in table.stages]
        self._head = layout.entry("head.width", self._widths(table.head.width))
        depths = [layout.entry(f"{row.name}.depth", row.depth) for row in table.stages]
        kernels, ratios = (
            [layout.block_entries(row, field, getattr(row, field), table.per_block) for row in table.stages]
            for field in ("kernel_size", "expand_ratio")
        )
        self._stages = tuple(map(_Stage._make, zip(table.stages, depths, widths, kernels, ratios, strict=True)))
        activities = layout.activities(dict(zip((row.name for row in table.stages), depths, strict=True)))
        self._whole_genes = tuple(layout.genes)
        self._choices = read_choices(choices, layout.genes)
        idle = {layout.genes[place].name for place in activities}
        self._follow = read_follow(follow, layout.genes, self._choices, idle)
        self.genes, self._places = subspace_of(layout.genes, activities, self._choices, self._follow)
        if own_table:
            self.presets  # noqa: B018  # their errors are the table's

    @cached_property
    def places(self) -> tuple[Place, ...]:
        return self._places

    def to_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"name": self.name, "resolutions": list(self.resolutions)}
        if self._own_table:
            config["table"] = written_table(self.table)
        if self.width_mult != self.table.width_mult:
            config["width_mult"] = self.width_mult
        if self._choices:
            config["choices"] = written_choices(self._choices, self._whole_genes)
        if self._follow:
            config["follow"] = written_follow(self._follow, self._whole_genes)
        return config if self.in_chans == 3 else {**config, "in_chans": self.in_chans}

    @cached_property
    def presets(self) -> Mapping[str, Arch]:
        archs = {name: self._preset(name, fields) for name, fields in self.table.presets.items()}
        return {name: arch for name, arch in archs.items() if self.holds(arch)}

    def network(self, arch: Arch) -> NetworkSpec:
        entries = [_entry_of(arch, place.gene) for place in self.places]
        in_channels, stages = self._stem.of(entries), []
        for number, stage in enumerate(self._stages):
            stages.append(tuple(self._block(number, block, entries) for block in range(stage.depth.of(entries))))
            in_channels = stage.width(entries)
        table = self.table
        return NetworkSpec(
            resolution=arch.resolution,
            stem_channels=self._stem.of(entries),
            stages=tuple(stages),
            expand_channels=self._expand_channels(in_channels),
            head_channels=self._head.of(entries),
            stem_stride=table.stem.stride,
            stem_act=table.stem.act or table.act,
            head_act=table.head.act or table.act,
            norm_eps=table.norm_eps,
            in_chans=self.in_chans,
        )

    def cost_batch(self, values: NDArray[np.integer], num_classes: int = 1000) -> NDArray[np.int64]:
        costs = np.zeros((3, len(values)), dtype=np.int64)
        for begin in range(0, len(values), _CHUNK):
            chunk = slice(begin, begin + _CHUNK)
            self._add_costs(costs[:, chunk], np.ascontiguousarray(values[chunk].T), num_classes)
        return costs

    def mac_parts(self, num_classes: int = 1000) -> list[MacPart]:
        return [MacPart(tuple(genes), table[0]) for genes, table in self._cost_tables(num_classes)]

    # -- inside ---------------------------------------------------------------------------------------------------

    def _add_costs(self, costs: NDArray[np.int64], columns: NDArray[np.integer], num_classes: int) -> None:
        """Add to costs (3, n) those of archs given gene by gene (genes, n)."""
        indices = [gene.indices(column) for gene, column in zip(self.genes, columns, strict=True)]
        for genes, table in self._cost_tables(num_classes):
            place = np.zeros(costs.shape[1], dtype=np.int64)
            for gene in genes:
                place *= len(self.genes[gene].choices)
                place += indices[gene]
            costs += table.take(place, axis=1)

    def _widths(self, channels: Candidates) -> Candidates:
        """Channels at this space's width multiplier."""
        if self.width_mult == 1:
            return channels
        if isinstance(channels, int):
            return make_divisible(channels * self.width_mult) if channels else 0
        return tuple(sorted({make_divisible(candidate * self.width_mult) for candidate in channels}))

    def _expand_channels(self, in_channels: int) -> int:
        head = self.table.head
        return head.expand_ratio * in_channels if head.expand_ratio else int(self._widths(head.expand_width))  # type: ignore[arg-type]

    def _preset(self, name: str, fields: Mapping[str, Any]) -> Arch:
        """A preset of the table, at this space's resolutions and widths; an arch of the whole space."""
        entries: dict[str, Any] = {}
        for field, value in fields.items():
            length = self._field_lengths.get(field)
            entries[field] = [value] * length if isinstance(value, int) and length else value
        try:
            if "resolution" in entries:
                entries["resolution"] = self._of_same_rank(entries["resolution"])
            if isinstance(entries.get("width"), list):
                entries["width"] = [self._widths(width) for width in entries["width"]]
            return self._assemble(self._entries_of_whole(Arch(entries)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"table {self.name}: preset {name}: {error}") from None

    def _of_same_rank(self, resolution: int) -> int:
        """The resolution of this space at the place that one of the table has there."""
        table = self.table.resolutions
        if len(table) == 1:
            return self.resolutions[-1]
        rank = Gene(name="resolution", field="resolution", index=None, choices=table).indices(np.asarray([resolution]))
        return self.resolutions[round(int(rank[0]) * (len(self.resolutions) - 1) / (len(table) - 1))]

    def _block(self, number: int, block: int, entries: Mapping[int, int] | Sequence[int]) -> BlockSpec:
        """The blueprint of a block of a stage."""
        row, _, widths, kernel_sizes, expand_ratios = self._stages[number]
        in_channels = widths[block - 1].of(entries) if block else self._in_channels(number, entries)
        expand_ratio = expand_ratios[block].of(entries)
        mid_channels = make_divisible(in_channels * expand_ratio)
        return BlockSpec(
            in_channels=in_channels,
            mid_channels=mid_channels,
            out_channels=widths[block].of(entries),
            kernel_size=kernel_sizes[block].of(entries),
            stride=1 if block else row.stride,
            se_channels=make_divisible(mid_channels // self.table.se_reduction) if row.se else 0,
            expands=expand_ratio > 1,
            projects=self.table.shortcut == "project",
            act=row.act or self.table.act,
        )

    def _in_channels(self, number: int, entries: Mapping[int, int] | Sequence[int]) -> int:
        return self._stages[number - 1].width(entries) if number else self._stem.of(entries)

    def _in_entries(self, number: int) -> list[_Entry]:
        return self._stages[number - 1].width_entries() if number else [self._stem]

    def _side(self, number: int, resolution: int) -> int:
        """Side of the input of a stage."""
        side = strided(resolution, self.table.stem.stride)
        for stage in self._stages[:number]:
            side = strided(side, stage.row.stride)
        return side

    def _cost_tables(self, num_classes: int) -> CostTables:
        """For stem, stages and head: the columns it depends on, and costs (3, product of their candidates).

        A stage whose blocks have genes of their own has a table for each block.
        """
        key = json.dumps(self.to_config()), self.genes, num_classes
        if key not in _COST_TABLES:
            _COST_TABLES[key] = self._make_cost_tables(num_classes)
        return _COST_TABLES[key]

    def _make_cost_tables(self, num_classes: int) -> CostTables:
        resolution = _Entry(0)
        tables = [
            self._cost_table(
                [resolution, self._stem],
                lambda entries: conv_cost(
                    self.in_chans, self._stem.of(entries), 3, self._side(0, entries[0]), norm=True
                ),
            )
        ]
        for number, stage in enumerate(self._stages):
            for blocks in _parts(stage):
                tables.append(
                    self._cost_table(
                        [resolution, *self._entries_of(number, blocks)],
                        lambda entries, number=number, blocks=blocks: self._blocks_cost(number, blocks, entries),
                    )
                )
        last = len(self._stages)

        def head(entries: Mapping[int, int]) -> Cost:
            channels = self._in_channels(last, entries)
            side = self._side(last, entries[0])
            return head_cost(channels, self._expand_channels(channels), self._head.of(entries), side, num_classes)

        return [*tables, self._cost_table([resolution, *self._in_entries(last), self._head], head)]

    def _entries_of(self, number: int, blocks: range) -> list[_Entry]:
        """What the cost of some blocks of a stage depends on, besides the resolution."""
        stage = self._stages[number]
        entries = [stage.widths[block - 1] for block in blocks if block]
        entries += self._in_entries(number) if 0 in blocks else []
        for block in blocks:
            entries += [stage.widths[block], stage.kernel_sizes[block], stage.expand_ratios[block]]
            entries += [stage.depth] if block >= stage.row.fewest_blocks else []
        return entries

    def _blocks_cost(self, number: int, blocks: range, entries: Mapping[int, int]) -> Cost:
        stage = self._stages[number]
        costs = [Cost(0, 0)]
        for block in blocks:
            if block < stage.row.fewest_blocks or block < stage.depth.of(entries):
                side = self._side(number if block == 0 else number + 1, entries[0])
                costs.append(block_cost(self._block(number, block, entries), side))
        return total(costs)

    def _cost_table(
        self, used: list[_Entry], cost: Callable[[Mapping[int, int]], Cost]
    ) -> tuple[list[int], NDArray[np.int64]]:
        places = {entry.place: self.places[entry.place] for entry in used if entry.place is not None}
        columns = sorted({place.column for place in places.values()})
        rows = []
        for choices in product(*(self.genes[column].choices for column in columns)):
            row = dict(zip(columns, choices, strict=True))
            rows.append(cost({number: place.of(row[place.column]) for number, place in places.items()}))
        return columns, np.asarray(rows, dtype=np.int64).T.copy()


class _Layout:
    """Gives each gene of a table its place, in the order of the fields: resolution, widths and so on."""

    def __init__(self, resolutions: tuple[int, ...]):
        self.genes = [Gene(name="resolution", field="resolution", index=None, choices=resolutions)]
        self._blocks: dict[int, tuple[str, int]] = {}

    def entry(self, name: str, candidates: Candidates) -> _Entry:
        """A fixed number, or a new gene."""
        if isinstance(candidates, int):
            return _Entry(None, candidates)
        field = name.rpartition(".")[2]
        index = sum(gene.field == field for gene in self.genes)
        self.genes.append(Gene(name=name, field=field, index=index, choices=candidates))
        return _Entry(len(self.genes) - 1)

    def block_entries(
        self, row: StageRow, field: str, candidates: Candidates, per_block: Sequence[str]
    ) -> tuple[_Entry, ...]:
        """One entry for each block of a stage's greatest depth, which may all be the same."""
        per_block = per_block if row.per_block is None else row.per_block
        if field not in per_block or isinstance(candidates, int):
            return (self.entry(f"{row.name}.{field}", candidates),) * row.most_blocks
        entries = []
        for block in range(row.most_blocks):
            entries.append(self.entry(f"{row.name}.{block}.{field}", candidates))
            if block >= row.fewest_blocks:
                self._blocks[len(self.genes) - 1] = row.name, block
        return tuple(entries)

    def activities(self, depths: Mapping[str, _Entry]) -> dict[int, Activity]:
        """For the places of genes of blocks that a depth may leave out: when they act."""
        activities = {}
        for place, (stage, block) in self._blocks.items():
            depth = depths[stage].place
            assert depth is not None  # a stage of one depth leaves no block out
            activities[place] = Activity(depth, block)
        return activities


def _parts(stage: _Stage) -> list[range]:
    """The blocks of a stage, cut where they have genes of their own."""
    own = any(len(set(entries)) > 1 for entries in (stage.widths, stage.kernel_sizes, stage.expand_ratios))
    blocks = range(stage.row.most_blocks)
    return [range(block, block + 1) for block in blocks] if own else [blocks]


def _entry_of(arch: Arch, gene: AnyGene) -> int:
    value = arch[gene.field]
    return value[gene.index] if isinstance(value, tuple) else value  # type: ignore[index,return-value]
