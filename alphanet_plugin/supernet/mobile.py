"""The supernet of a space of mobile blocks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, cast

import torch
from timm.layers import create_conv2d
from torch import nn

from ..models import MBConvBlock, MobileNetwork, Shortcut
from ..spaces import Arch, BlockSpec, SearchSpace
from .layers import ElasticConv2d, ElasticSequential, KernelTransformConv2d, make_elastic
from .supernet import DropKnobs, Knobs, Supernet

# Layers whose attribute follows a field: of `NetworkSpec`, and within a block of `BlockSpec`.
_NETWORK_KNOBS = (
    ("conv_stem", "active_out", "stem_channels"),
    ("conv_expand", "active_out", "expand_channels"),
    ("conv_head", "active_out", "head_channels"),
)
_BLOCK_KNOBS = (
    ("conv_pw", "active_out", "mid_channels"),
    ("conv_dw", "active_kernel", "kernel_size"),
    ("se.fc1", "active_out", "se_channels"),
    ("se.fc2", "active_out", "mid_channels"),
    ("conv_pwl", "active_out", "out_channels"),
    ("shortcut", "active_out", "out_channels"),
    ("shortcut.conv", "active_out", "out_channels"),
)

logger = logging.getLogger(__name__)


class ElasticShortcut(Shortcut):
    """A shortcut that projects only where the active block changes its number of channels.

    Args:
        shortcut: The static one, whose kernel is shared.
        block: The shapes of its block in the largest arch.
        may_project: Whether some arch changes the number of channels here; then there is a kernel even if the largest
            arch needs none.
    """

    active_out: int

    def __init__(self, shortcut: Shortcut, block: BlockSpec, may_project: bool):
        super().__init__(block.in_channels, block.in_channels, block.stride)
        self.conv = shortcut.conv
        if may_project and isinstance(self.conv, nn.Identity):
            self.conv = create_conv2d(block.in_channels, block.out_channels, 1, bias=False)
        self.active_out = block.out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(x)
        return x if x.shape[1] == self.active_out else self.conv(x)


class MobileSupernet(Supernet, MobileNetwork):
    """`MobileNetwork` of the space's largest arch, made elastic.

    Args:
        space: A space of mobile blocks.
        num_classes: Outputs of the classifier.
        resize_input: Resize images to the active arch's resolution inside the network (bicubic).
        drop_rate: Dropout before the classifier, where `activate` lets it act.
        drop_path_rate: Stochastic depth in the last two stages, where `activate` lets it act.
        kernel_transform: Whether smaller depthwise kernels are learnt maps of the larger ones' centres (once-for-all),
            or just the centres (AttentiveNAS).
        init: How convolutions begin: as torch's do, or as once-for-all's, normal with standard deviation
            ``sqrt(2 / (k * k * output channels))``, the depthwise ones too.
        zero_init_last: As `MobileNetwork` takes it.

    Shapes:
        images (B, C, H, W) -> logits (B, num_classes).
    """

    blocks: nn.Sequential

    def __init__(
        self,
        space: SearchSpace,
        num_classes: int = 1000,
        resize_input: bool = True,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        kernel_transform: bool = False,
        init: Literal["torch", "he_fout"] = "torch",
        zero_init_last: bool | None = None,
    ):
        if init not in ("torch", "he_fout"):
            raise ValueError(f"init must be 'torch' or 'he_fout', not {init!r}")
        super().__init__(
            space.largest(),
            space=space,
            num_classes=num_classes,
            resize_input=resize_input,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
            zero_init_last=zero_init_last,
        )
        largest = space.network(self.arch)
        projecting = block_values(space, lambda block: block.in_channels != block.out_channels)
        for number, specs in enumerate(largest.stages):
            stage = ElasticSequential.twin(cast(nn.Sequential, self.blocks[number]))
            for index, (block, spec) in enumerate(zip(cast(Iterable[MBConvBlock], stage), specs, strict=True)):
                if isinstance(block.shortcut, Shortcut):
                    block.shortcut = ElasticShortcut(block.shortcut, spec, may_project=any(projecting[number][index]))
            self.blocks[number] = stage
        make_elastic(self)
        if kernel_transform:
            self._transform_kernels()
        if init == "he_fout":
            _init_he_fout(self)
        self._knobs = Knobs(self, _NETWORK_KNOBS)
        self._stages = [
            (stage, [Knobs(block, _knobs_of(spec)) for block, spec in zip(stage, specs, strict=True)])
            for stage, specs in zip(cast(Iterable[ElasticSequential], self.blocks), largest.stages, strict=True)
        ]
        self._drop_knobs = DropKnobs(self)
        self.activate(space.largest())

    def _transform_kernels(self) -> None:
        sizes = block_values(self.space, lambda block: block.kernel_size)
        for stage, of_stage in zip(cast(Iterable[ElasticSequential], self.blocks), sizes, strict=True):
            for block, of_block in zip(cast(Iterable[MBConvBlock], stage), of_stage, strict=True):
                if len(of_block) > 1:
                    block.conv_dw = KernelTransformConv2d.of(cast(ElasticConv2d, block.conv_dw), of_block)

    def activate(self, arch: Arch, *, drop: bool = False) -> None:
        self.active = self.space.validate(arch)
        spec = self.space.network(self.active)
        self.resolution = spec.resolution
        self._knobs.follow(spec)
        for (stage, knobs), blocks in zip(self._stages, spec.stages, strict=True):
            stage.active_depth = len(blocks)
            for block_knobs, block in zip(knobs, blocks, strict=False):
                block_knobs.follow(block)
        self._drop_knobs.follow(drop)

    def running_blocks(self, stage: nn.Module) -> list[nn.Module]:
        stage = cast(ElasticSequential, stage)
        return list(stage)[: stage.active_depth]

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As torch's, but matrices of a kernel transform may be missing, and are then kept, or superfluous, and are
        then ignored; and the classifier is kept where the state has another number of classes. The log says so.
        """
        return super().load_state_dict(self._fitting(state_dict), strict, assign)

    def _fitting(self, state: Mapping[str, Any]) -> dict[str, Any]:
        own, fitting = self.state_dict(), dict(state)
        stray = [name for name in state if name.endswith("_matrix") and name not in own]
        for name in stray:
            del fitting[name]
        if stray:
            logger.warning("no kernel transform here, ignored: %s", ", ".join(stray))
        kept = [name for name in own if name.endswith("_matrix") and name not in state]
        classes = state.get("classifier.bias")
        if classes is not None and "classifier.bias" in own and len(classes) != self.num_classes:
            logger.warning(
                "weights are of %d classes: the classifier of %d stays as it is", len(classes), self.num_classes
            )
            kept += ["classifier.weight", "classifier.bias"]
        return {**fitting, **{name: own[name] for name in kept}}


def block_values(space: SearchSpace, value_of: Callable[[BlockSpec], Any]) -> list[list[frozenset[Any]]]:
    """Of every block of the largest arch, by stage: what `value_of` takes as genes change one at a time."""
    largest = space.largest()
    found = [[{value_of(block)} for block in stage] for stage in space.network(largest).stages]
    values = space.values(largest)
    for place, gene in enumerate(space.genes):
        for choice in gene.choices if gene.field != "resolution" else ():
            altered = space.from_values([*values[:place], choice, *values[place + 1 :]])
            for stage, blocks in zip(found, space.network(altered).stages, strict=True):
                for of_block, block in zip(stage, blocks, strict=False):
                    of_block.add(value_of(block))
    return [[frozenset(of_block) for of_block in stage] for stage in found]


def _knobs_of(spec: BlockSpec) -> tuple[tuple[str, str, str], ...]:
    """The rows for a block: where it never projects, whether it has a shortcut follows its channels."""
    return _BLOCK_KNOBS if spec.projects else (*_BLOCK_KNOBS, ("", "has_shortcut", "has_shortcut"))


def _init_he_fout(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, (2 / (module.kernel_size[0] ** 2 * module.out_channels)) ** 0.5)
