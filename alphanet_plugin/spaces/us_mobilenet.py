"""Universally slimmable MobileNets (Yu & Huang, ICCV 2019), as trained in AlphaNet (ICML 2021, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from math import ceil
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import brief
from .arch import Arch
from .costs import MacPart
from .gene import AnyGene, ContinuousGene, Gene, check_in_chans, check_resolutions
from .network import BlockSpec, NetworkSpec, make_divisible
from .space import SearchSpace


class MobileNetStage(NamedTuple):
    """One stage of a MobileNet at width 1.

    Attributes:
        block: timm's name of the block: ``dsa`` is a depthwise and a 1x1 convolution, each with activation, and no
            residual; ``ds`` has no activation after the second; ``ir`` is the inverted residual.
        depth: Blocks.
        stride: Of the first block.
        expand_ratio: Of an ``ir`` block, 1 for the others.
        channels: Of the output.
    """

    block: str
    depth: int
    stride: int
    expand_ratio: int
    channels: int


class UsMobileNetSpace(SearchSpace):
    """One network at any width: every number of channels is multiplied by it and rounded as timm's models do.

    Fields of an arch: ``resolution`` and ``width``, one number each. Widths that round to the same channels are one
    network: `num_archs`, searches and what draws archs by their cost count it once, while samplers draw widths
    uniformly from the whole range, as the paper does. Presets are the widths of AlphaNet's Table 1 and the widest, at
    the greatest resolution.

    Args:
        resolutions: Candidates for the input's side in pixels, ascending.
        widths: Least and greatest width; by default the papers'.
        choices: What is left of these: ``{"resolution": [...], "width": [least, greatest]}``, one or both; a subspace.
        in_chans: Channels of the images.

    Attributes:
        stages: The network at width 1.
        stem_channels: Of the stem at width 1.
        head_channels: Of the 1x1 convolution before pooling, at every width up to 1; 0 for none.
    """

    stages: ClassVar[tuple[MobileNetStage, ...]]
    stem_channels: ClassVar[int] = 32
    head_channels: ClassVar[int]
    paper_widths: ClassVar[tuple[float, float]]

    def __init__(
        self,
        resolutions: Sequence[int] = (224,),
        widths: Sequence[float] | None = None,
        choices: Mapping[str, Any] | None = None,
        in_chans: int = 3,
    ):
        self.in_chans = check_in_chans(in_chans)
        self._whole = check_resolutions(resolutions), _check_widths(self.paper_widths if widths is None else widths)
        self._choices = _check_choices(choices, *self._whole)
        self.resolutions = self._choices.get("resolution", self._whole[0])
        self.widths = self._choices.get("width", self._whole[1])
        self.genes = _genes(type(self), self.resolutions, self.widths)
        self._check_residuals()

    def to_config(self) -> dict[str, Any]:
        resolutions, widths = self._whole
        config: dict[str, Any] = {"name": self.name, "resolutions": list(resolutions), "widths": list(widths)}
        if choices := {field: list(left) for field, left in self._choices.items()}:
            config["choices"] = choices
        return config if self.in_chans == 3 else {**config, "in_chans": self.in_chans}

    @cached_property
    def presets(self) -> Mapping[str, Arch]:
        low, high = self.widths
        widths = [round(0.05 * step, 2) for step in range(5, 16)] + [1.0]  # Table 1 ends at 0.75
        return {
            f"{width:.2f}x": self.arch(resolution=self.resolutions[-1], width=width)
            for width in widths
            if low <= width <= high
        }

    def network(self, arch: Arch) -> NetworkSpec:
        stem, *widths = (make_divisible(channels * arch.width) for channels in self._channels())
        in_channels, stages = stem, []
        for stage, width in zip(self.stages, widths, strict=True):
            blocks = []
            for number in range(stage.depth):
                blocks.append(
                    BlockSpec(
                        in_channels=in_channels,
                        mid_channels=in_channels * stage.expand_ratio,
                        out_channels=width,
                        kernel_size=3,
                        stride=stage.stride if number == 0 else 1,
                        se_channels=0,
                        expands=stage.block == "ir",
                        projects=False,
                    )
                )
                in_channels = width
            stages.append(tuple(blocks))
        return NetworkSpec(
            resolution=arch.resolution,
            stem_channels=stem,
            stages=tuple(stages),
            expand_channels=self.head_features(arch.width),
            head_channels=0,
            in_chans=self.in_chans,
        )

    @classmethod
    def head_features(cls, width: float) -> int:
        """Channels of the 1x1 convolution before pooling: they grow above width 1 and do not shrink below it."""
        return max(cls.head_channels, make_divisible(cls.head_channels * width)) if cls.head_channels else 0

    def cost_batch(self, values: NDArray[Any], num_classes: int = 1000) -> NDArray[np.int64]:
        resolution, width = (gene.indices(column) for gene, column in zip(self.genes, values.T, strict=True))
        return self._cost_table(num_classes)[:, resolution * len(self.genes[1].choices) + width]

    def mac_parts(self, num_classes: int = 1000) -> list[MacPart]:
        return [MacPart((0, 1), self._cost_table(num_classes)[0])]

    def _cost_table(self, num_classes: int) -> NDArray[np.int64]:
        """`cost` (3, resolutions x networks)."""
        return _cost_table(type(self), self.resolutions, self.widths, self.in_chans, num_classes)

    @classmethod
    def _channels(cls) -> tuple[int, ...]:
        """Channels at width 1 of the stem and of each stage."""
        return cls.stem_channels, *(stage.channels for stage in cls.stages)

    def _check_residuals(self) -> None:
        """A supernet has one structure: where one network has a residual connection, all have."""
        first = None
        for width in self.genes[1].choices:
            spec = self.network(Arch({"resolution": self.resolutions[0], "width": width}))
            residuals = [block.stride == 1 and block.in_channels == block.out_channels
                         for stage in spec.stages for block in stage]  # fmt: skip
            if residuals != (first := first or residuals):
                raise ValueError(
                    f"widths of {self.name}: at {width} rounding leaves other blocks with as many channels out as in "
                    f"than at {self.widths[0]}, so that they have other residual connections; take a narrower range"
                )


class UsMobileNetV1Space(UsMobileNetSpace):
    """MobileNetV1 (Howard et al., 2017) at widths from 0.25 to 1."""

    name = "us_mobilenet_v1"
    paper_widths = (0.25, 1.0)
    head_channels = 0
    stages = (
        MobileNetStage("dsa", 1, 1, 1, 64),
        MobileNetStage("dsa", 2, 2, 1, 128),
        MobileNetStage("dsa", 2, 2, 1, 256),
        MobileNetStage("dsa", 6, 2, 1, 512),
        MobileNetStage("dsa", 2, 2, 1, 1024),
    )


class UsMobileNetV2Space(UsMobileNetSpace):
    """MobileNetV2 (Sandler et al., 2018) at widths from 0.35 to 1."""

    name = "us_mobilenet_v2"
    paper_widths = (0.35, 1.0)
    head_channels = 1280
    stages = (
        MobileNetStage("ds", 1, 1, 1, 16),
        MobileNetStage("ir", 2, 2, 6, 24),
        MobileNetStage("ir", 3, 2, 6, 32),
        MobileNetStage("ir", 4, 2, 6, 64),
        MobileNetStage("ir", 3, 1, 6, 96),
        MobileNetStage("ir", 3, 2, 6, 160),
        MobileNetStage("ir", 1, 1, 6, 320),
    )


def _check_widths(widths: Sequence[float]) -> tuple[float, float]:
    numbers = tuple(widths)
    if (
        len(numbers) != 2
        or not all(isinstance(width, (int, float)) and not isinstance(width, bool) for width in numbers)
        or not 0 < numbers[0] <= numbers[1] < float("inf")
    ):
        raise ValueError(f"widths are the least and the greatest, like (0.25, 1.0), not {widths}")
    return float(numbers[0]), float(numbers[1])


def _check_choices(
    choices: Mapping[str, Any] | None, resolutions: tuple[int, ...], widths: tuple[float, float]
) -> dict[str, Any]:
    """What is left of resolutions and widths where that is less than all; ValueError where it is no part of them."""
    if not isinstance(choices or {}, Mapping) or set(choices or {}) - {"resolution", "width"}:
        raise ValueError(f"choices takes resolution and width, not {brief(choices)}")
    left: dict[str, Any] = dict(choices or {})
    if "resolution" in left:
        given = left["resolution"]
        left["resolution"] = tuple(given) if isinstance(given, (list, tuple)) else (given,)
        if not left["resolution"] or set(left["resolution"]) - set(resolutions):
            raise ValueError(f"choices.resolution: {brief(given)} are not candidates; choose from {resolutions}")
        left["resolution"] = tuple(side for side in resolutions if side in left["resolution"])
    if "width" in left:
        given = left["width"]
        left["width"] = _check_widths(given if isinstance(given, (list, tuple)) else (given, given))
        if not widths[0] <= left["width"][0] <= left["width"][1] <= widths[1]:
            raise ValueError(f"choices.width: {brief(given)} is no range within {widths}")
    return {field: part for field, part in left.items() if part != {"resolution": resolutions, "width": widths}[field]}


@cache
def _genes(
    space: type[UsMobileNetSpace], resolutions: tuple[int, ...], widths: tuple[float, float]
) -> tuple[AnyGene, ...]:
    low, high = widths
    channels = np.asarray([*space._channels(), space.head_channels])

    def sizes(widths: NDArray[np.float64]) -> NDArray[np.int64]:
        rounded = _make_divisible(widths[:, None] * channels)
        rounded[:, -1] = np.maximum(rounded[:, -1], space.head_channels)
        return rounded

    edges = run_edges(sizes, low, high)
    ends = [*edges[1:], float(np.nextafter(high, np.inf))]
    return (
        Gene(name="resolution", field="resolution", index=None, choices=resolutions),
        ContinuousGene(
            name="width", field="width", index=None, low=low, high=high, edges=edges,
            choices=tuple(roundest(*run) for run in zip(edges, ends, strict=True)),
        ),
    )  # fmt: skip


def _make_divisible(channels: NDArray[np.float64]) -> NDArray[np.int64]:
    """`make_divisible` of many, number for number."""
    rounded = np.maximum(8, (channels + 4).astype(np.int64) // 8 * 8)
    return rounded + 8 * (rounded < 0.9 * channels)


@cache
def _cost_table(
    space: type[UsMobileNetSpace],
    resolutions: tuple[int, ...],
    widths: tuple[float, float],
    in_chans: int,
    num_classes: int,
) -> NDArray[np.int64]:
    built = space(resolutions, widths, in_chans=in_chans)
    rows = [
        built.cost(Arch({"resolution": resolution, "width": width}), num_classes)
        for resolution in resolutions
        for width in built.genes[1].choices
    ]
    return np.asarray(rows, dtype=np.int64).T.copy()


def run_edges(sizes: Callable[[NDArray[np.float64]], NDArray[np.int64]], low: float, high: float) -> tuple[float, ...]:
    """The least number of each run of numbers from `low` to `high` that have the same sizes; exact to the last bit.

    Args:
        sizes: Numbers (n,) to sizes (n, k), none of which falls where the number rises.
        low: The least number.
        high: The greatest, included.
    """
    left, right = np.asarray([low]), np.asarray([high])
    edges = [low]
    while len(left):
        # As no size falls, sizes that are equal at both ends are equal in between.
        changes = (sizes(left) != sizes(right)).any(axis=1)
        left, right = left[changes], right[changes]
        middle = left + (right - left) / 2
        done = (middle <= left) | (middle >= right)  # no number lies between
        edges += right[done].tolist()
        left, middle, right = left[~done], middle[~done], right[~done]
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    return tuple(sorted(edges))


def roundest(low: float, high: float) -> float:
    """A number of at least `low` and below `high`: a multiple of 0.1, or else of 0.05, or else of 0.01 and so on."""
    for parts in (10**digits * factor for digits in range(1, 16) for factor in (1, 2)):
        number = ceil(low * parts) / parts
        if low <= number < high:
            return number
    return low
