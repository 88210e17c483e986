"""The static network of one arch of a space that is a table, as a timm model."""

from typing import Any, ClassVar

import torch
from timm.layers import BatchNormAct2d, Linear, SelectAdaptivePool2d, create_conv2d
from timm.models import checkpoint_seq
from timm.models._features import feature_take_indices
from torch import nn
from torch.nn import functional as F

from ..spaces import NetworkSpec
from .mbconv import ACTIVATIONS, build_block
from .read_arch import DEFAULT_SPACE, GivenArch, GivenSpace, read_arch, read_space, space_args, space_around

# How many of the last stages drop paths, as in the released AlphaNet program.
_DROP_PATH_STAGES = 2


_OUTPUT_STRIDES = (8, 16, 32)


class PoolingError(ValueError, AssertionError):
    """A pooling that the head cannot take; timm's own models assert here, so it may be caught as that too."""


class MobileNetwork(nn.Module):
    """One network of a space of mobile blocks, built from its blueprint, answering everything timm asks of a model.

    Layers have the same names in every space, and those that an arch's blueprint leaves out are identities.

    Args:
        arch: The arch, in any form that `read_arch` takes.
        num_classes: Outputs of the classifier; 0 for none.
        in_chans: Channels of the input; None for the space's.
        global_pool: 'avg', 'max', or '' to keep the head's output spatial.
        drop_rate: Dropout before the classifier.
        drop_path_rate: Stochastic depth in the last two stages, in blocks whose shortcut is the identity: block `i` of
            `n` is dropped with ``drop_path_rate * i / n``.
        resize_input: Resize the input to the arch's resolution inside the network (bicubic), as in training; off, the
            network takes images as they come.
        zero_init_last: Start the BatchNorm weight of the projection at 0 in every block that has a shortcut, so that
            it is its shortcut. None: where the space's shortcuts project, as AlphaNet does and once-for-all does not.
        output_stride: 32, or 16 or 8 for features that stay finer, as timm's EfficientNets make them: blocks that would
            stride beyond it do not, and those after them dilate their kernels instead. Weights and names stay.
        space: The arch's space, in any form that `read_space` takes.

    Shapes:
        images (B, in_chans, H, W) -> logits (B, num_classes).
    """

    __jit_unused_properties__: ClassVar[list[str]] = ["_model_args"]

    def __init__(
        self,
        arch: GivenArch,
        num_classes: int = 1000,
        in_chans: int | None = None,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        resize_input: bool = False,
        zero_init_last: bool | None = None,
        output_stride: int = 32,
        space: GivenSpace = DEFAULT_SPACE,
        device=None,
        dtype=None,
    ):
        super().__init__()
        dd: dict[str, Any] = {"device": device, "dtype": dtype}
        self.space = read_space(space)
        self.arch = read_arch(arch, self.space)
        spec = space_around(self.space, self.arch).network(self.arch)
        self.num_classes = num_classes
        self.in_chans = in_chans = spec.in_chans if in_chans is None else in_chans
        self.drop_rate = drop_rate
        self.resize_input = resize_input
        self.resolution = spec.resolution
        self.grad_checkpointing = False
        self._factory_args = {}

        self.conv_stem = create_conv2d(in_chans, spec.stem_channels, 3, stride=spec.stem_stride, bias=False, **dd)
        self.bn1 = _norm_act(spec.stem_channels, spec.stem_act, spec, dd)
        self.blocks = _build_stages(spec, drop_path_rate, zero_init_last, output_stride, dd)
        features = spec.stages[-1][-1].out_channels
        self.conv_expand, self.bn2 = nn.Identity(), nn.Identity()
        if spec.expand_channels:
            self.conv_expand = create_conv2d(features, spec.expand_channels, 1, bias=False, **dd)
            self.bn2 = _norm_act(spec.expand_channels, spec.head_act, spec, dd)
            features = spec.expand_channels
        self.num_features = features

        _check_head(num_classes, global_pool)
        self.global_pool = _build_pool(global_pool)
        self.conv_head, self.act2 = nn.Identity(), nn.Identity()
        if spec.head_channels:
            self.conv_head = create_conv2d(features, spec.head_channels, 1, bias=False, **dd)
            self.act2 = ACTIVATIONS[spec.head_act](inplace=True)
            features = spec.head_channels
        self.flatten = nn.Flatten(1) if global_pool else nn.Identity()
        self.head_hidden_size = features
        self.classifier = Linear(features, num_classes, **dd) if num_classes > 0 else nn.Identity()
        levels = feature_levels(spec)
        self.feature_info = [
            {
                "num_chs": spec.stages[stage][-1].out_channels,
                "reduction": min(reduction, output_stride),
                "module": f"blocks.{stage}",
            }
            for reduction, stage in levels.items()
        ]
        self.stage_ends = [stage + 1 for stage in levels.values()]  # how many stages lead to each intermediate

    @property
    def _model_args(self) -> dict[str, Any]:
        """What timm writes into a saved model's config to build it again, in plain values."""
        own = {**space_args(self.space, self.resolution), "arch": self.arch.to_dict()}
        return {**self._factory_args, "resize_input": self.resize_input, **own}

    @_model_args.setter
    def _model_args(self, args: dict[str, Any]) -> None:
        self._factory_args = args

    # -- forward --------------------------------------------------------------------------------------------------

    def resize(self, x: torch.Tensor) -> torch.Tensor:
        """Images (B, C, H, W) as the network wants them: at the arch's resolution if `resize_input`."""
        if self.resize_input:
            x = F.interpolate(x, size=(self.resolution, self.resolution), mode="bicubic", align_corners=False)
        return x

    @torch.jit.ignore()
    def running_blocks(self, stage: nn.Module) -> list[nn.Module]:
        """The blocks of a stage that a forward runs: each is one step of gradient checkpointing."""
        return list(stage.children())

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Images (B, in_chans, H, W) -> features (B, num_features, ceil(H / 32), ceil(W / 32)) at output stride 32."""
        x = self.bn1(self.conv_stem(self.resize(x)))
        if self.grad_checkpointing and not torch.jit.is_scripting():
            for stage in self.blocks:
                x = checkpoint_seq(self.running_blocks(stage), x)
        else:
            x = self.blocks(x)
        return self.bn2(self.conv_expand(x))

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Features -> logits (B, num_classes), or with `pre_logits` what the classifier sees (B, head_hidden_size)."""
        x = self.act2(self.conv_head(self.global_pool(x)))
        x = self.flatten(x)
        if self.drop_rate > 0.0:
            x = F.dropout(x, p=self.drop_rate, training=self.training)
        return x if pre_logits else self.classifier(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_intermediates(
        self,
        x: torch.Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,  # noqa: ARG002
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[torch.Tensor] | tuple[torch.Tensor, list[torch.Tensor]]:
        """The last output at each stride: 2, 4, 8, 16 and 32, or what the blueprint has; none above output_stride.

        Args:
            x: Images (B, in_chans, H, W).
            indices: Which of them; an int takes the last n, None all.
            norm: Accepted for timm's sake; there is no norm to apply.
            stop_early: Do not compute what no index needs.
            output_fmt: Must be 'NCHW'.
            intermediates_only: Return the list alone.

        Returns:
            The final features and the list of intermediates, or the list.
        """
        if output_fmt != "NCHW":
            raise ValueError(f"output_fmt must be 'NCHW', not '{output_fmt}'")
        take_indices, last = feature_take_indices(len(self.stage_ends), indices)
        take_stages = [self.stage_ends[index] for index in take_indices]
        intermediates: list[torch.Tensor] = []
        x = self.bn1(self.conv_stem(self.resize(x)))
        # TorchScript cannot slice a Sequential.
        if torch.jit.is_scripting() or not stop_early:  # noqa: SIM108
            blocks = self.blocks
        else:
            blocks = self.blocks[: self.stage_ends[last]]
        number = 0
        for number, stage in enumerate(blocks, start=1):
            if self.grad_checkpointing and not torch.jit.is_scripting():
                x = checkpoint_seq(self.running_blocks(stage), x)
            else:
                x = stage(x)
            if number in take_stages:
                intermediates.append(x)
        if intermediates_only:
            return intermediates
        if number == self.stage_ends[-1]:
            x = self.bn2(self.conv_expand(x))
        return x, intermediates

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Drop what comes after the last wanted intermediate; returns the indices taken.

        The head's two convolutions feed no intermediate, so they go with the head or the norm, or when a stage goes
        that they follow.
        """
        take_indices, last = feature_take_indices(len(self.stage_ends), indices)
        prune_end = prune_norm or prune_head or self.stage_ends[last] < len(self.blocks)
        self.blocks = self.blocks[: self.stage_ends[last]]
        if prune_end:
            self.conv_expand, self.bn2 = nn.Identity(), nn.Identity()
            self.conv_head, self.act2 = nn.Identity(), nn.Identity()
            self.num_features = self.head_hidden_size = self.feature_info[last]["num_chs"]
            self.reset_classifier(0, "")
        return take_indices

    # -- what timm asks -------------------------------------------------------------------------------------------

    @torch.jit.ignore()
    def get_classifier(self) -> nn.Module:
        """The last linear layer."""
        return self.classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier (and the pooling, if given), keeping device, dtype and mode."""
        like = next(self.parameters())
        if global_pool is not None:
            _check_head(num_classes, global_pool)
            self.global_pool = _build_pool(global_pool).train(self.training)
            self.flatten = (nn.Flatten(1) if global_pool else nn.Identity()).train(self.training)
        self.num_classes = num_classes
        head = Linear(self.head_hidden_size, num_classes, device=like.device, dtype=like.dtype) if num_classes else None
        self.classifier = (nn.Identity() if head is None else head).train(self.training)

    @torch.jit.ignore()
    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Parameter groups for layer-wise decay: stem, each stage (`coarse`) or block, head."""
        return {
            "stem": r"^conv_stem|bn1",
            "blocks": r"^blocks\.(\d+)" if coarse else r"^blocks\.(\d+)\.(\d+)",
        }

    @torch.jit.ignore()
    def no_weight_decay(self) -> set[str]:
        """Names of further parameters without weight decay: none beyond the vectors that timm leaves out itself."""
        return set()

    @torch.jit.ignore()
    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Trade computation for memory in training."""
        self.grad_checkpointing = enable


def _norm_act(channels: int, act: str, spec: NetworkSpec, dd: dict[str, Any]) -> BatchNormAct2d:
    return BatchNormAct2d(channels, act_layer=ACTIVATIONS[act], eps=spec.norm_eps, **dd)


def _build_stages(
    spec: NetworkSpec, drop_path_rate: float, zero_init_last: bool | None, output_stride: int, dd: dict[str, Any]
) -> nn.Sequential:
    if output_stride not in _OUTPUT_STRIDES:
        raise ValueError(f"output_stride must be one of {', '.join(map(str, _OUTPUT_STRIDES))}, not {output_stride!r}")
    stride, dilation = spec.stem_stride, 1
    num_blocks = sum(len(stage) for stage in spec.stages)
    index = 0
    stages = []
    for number, stage in enumerate(spec.stages):
        blocks = []
        for block in stage:
            drops = block.keeps_shape and number >= len(spec.stages) - _DROP_PATH_STAGES
            rate = drop_path_rate * index / num_blocks if drops else 0.0
            zeros = block.projects if zero_init_last is None else zero_init_last
            dense = stride * block.stride > output_stride
            options = {"zero_init_last": zeros, "norm_eps": spec.norm_eps, "dense": dense, "dilation": dilation}
            blocks.append(build_block(block, drop_path=rate, **options, **dd))
            stride *= 1 if dense else block.stride
            dilation *= block.stride if dense else 1
            index += 1
        stages.append(nn.Sequential(*blocks))
    return nn.Sequential(*stages)


def _check_head(num_classes: int, global_pool: str) -> None:
    if num_classes and not global_pool:
        raise PoolingError(f"global_pool='' leaves nothing to classify; it goes with num_classes=0, not {num_classes}")


def _build_pool(global_pool: str) -> SelectAdaptivePool2d:
    if global_pool not in ("avg", "max", "avgmax", "fast", ""):
        raise PoolingError(f"global_pool must be 'avg', 'max', 'avgmax', 'fast' or '', not {global_pool!r}")
    return SelectAdaptivePool2d(pool_type=global_pool)


def feature_levels(spec: NetworkSpec) -> dict[int, int]:
    """Stride of each level of features -> number of the last stage at that stride, from 0."""
    levels, stride = {}, spec.stem_stride
    for number, stage in enumerate(spec.stages):
        for block in stage:
            stride *= block.stride
        levels[stride] = number
    return levels
