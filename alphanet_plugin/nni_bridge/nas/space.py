"""Our search spaces as NNI's, and how NNI's ENAS loads batches on Lightning 2."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, cast

import nni
import numpy as np
import torch
from nni.mutable import MutableExpression
from nni.nas.nn.pytorch import ModelSpace
from nni.nas.profiler.pytorch.flops import FlopsResult, register_flops_formula
from nni.nas.profiler.pytorch.utils import MutableShape, profiler_leaf_module, register_shape_inference_formula
from nni.nas.space import current_model
from nni.nas.strategy import DARTS, ENAS
from torch import nn

from ...models import build_static
from ...spaces import SearchSpace, get_space
from ...supernet import build_supernet, slice_weights
from .elastic_module import ElasticModule
from .native_hooks import native_hooks
from .native_network import NativeNetwork
from .samples import arch_of, open_genes


class ElasticSpace(ModelSpace):
    """A search space of this package; labels are the names of its genes, resolution included.

    Both faces compute with the same weights under the same names, resize their input to the arch's resolution inside,
    and freeze into the static timm model of a sample.

    - ``fast``: one supermodule holds the whole elastic network, and an arch is set at once: for RandomOneShot, ENAS,
      this package's strategies, and all multi-trial ones, whose trials start from the shared weights.
    - ``native``: NNI's own mutable layers, for DARTS, GumbelDARTS and Proxyless, which mix them; attentive_nas only.

    Args:
        space: What `alphanet_plugin.get_space` takes: a name of `list_spaces()` or the file of a table; or a mapping
            that holds it as ``name`` beside further arguments of the space.
        num_classes: Outputs of the classifier.
        resolutions: Candidates for the input's side in pixels; the space's own by default.
        face: ``fast`` or ``native``.
        seed: Of the initial weights, and of what the fast face draws itself; None for torch's global generator, and
            another draw in every process.

    Raises:
        ValueError: There is no such space or face, or the space does not take these arguments.

    Shapes:
        images (B, C, H, W) -> logits (B, num_classes).
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        sample = current_model()
        if sample is None:
            return super().__new__(cls)
        # Asked to stand for one sample (NNI rebuilds a serialised one so): the static model itself.
        return _static_model_of(sample, *args, **kwargs)

    def __init__(
        self,
        space: str | Mapping[str, Any] = "attentive_nas",
        num_classes: int = 1000,
        resolutions: Sequence[int] | None = None,
        face: Literal["fast", "native"] = "fast",
        seed: int | None = None,
    ):
        super().__init__()
        if face not in ("fast", "native"):
            raise ValueError(f"face must be 'fast' or 'native', not {face!r}")
        self.num_classes = num_classes
        self.space = _search_space(space, resolutions)
        self.face = face
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            self.network = self._build(seed)

    def _build(self, seed: int | None) -> ElasticModule | NativeNetwork:
        if self.face == "native":
            return NativeNetwork(self.space, self.num_classes)
        supernet = build_supernet(self.space, num_classes=self.num_classes, resize_input=True)
        return cast(ElasticModule, ElasticModule(supernet, np.random.RandomState(seed)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)

    def freeze(self, sample: dict[str, Any]) -> nn.Module:
        """The static timm model of a sample, with slices of the shared weights where there are any.

        The native face has shared weights once a one-shot strategy has mutated it, and fresh ones before.
        """
        network: Any = self.network
        if isinstance(network, ElasticModule):
            return network.freeze(sample)
        static = _static_model(self.space, sample, self.num_classes)
        return slice_weights(static, network.shared_tensors()) if network.is_shared else static

    def extra_oneshot_hooks(self, strategy: Any) -> list[Callable[..., Any]]:
        """What NNI's one-shot strategies apply before their own hooks; ENAS is repaired on the way."""
        if isinstance(strategy, ENAS):
            repair_enas(strategy)
        if self.face == "native":
            return native_hooks(strategy)
        if isinstance(strategy, DARTS):  # GumbelDARTS and Proxyless are kinds of it
            raise TypeError(
                f"{type(strategy).__name__} mixes NNI's own layers: build the space with face='native', not 'fast'"
            )
        return [ElasticModule.mutate]


def _search_space(space: str | Mapping[str, Any], resolutions: Sequence[int] | None) -> SearchSpace:
    if not isinstance(space, (str, Mapping)):
        raise ValueError(f"space takes a name, a table's file or a mapping with a name, not {space!r}")
    arguments: dict[str, Any] = {"name": space} if isinstance(space, str) else dict(space)
    if resolutions is not None:
        arguments["resolutions"] = tuple(resolutions)
    return get_space(**arguments)


def _static_model(space: SearchSpace, sample: Mapping[str, Any], num_classes: int) -> nn.Module:
    return build_static(space, arch_of(space, sample), num_classes=num_classes, resize_input=True)


def _static_model_of(
    sample: Mapping[str, Any],
    space: str | Mapping[str, Any] = "attentive_nas",
    num_classes: int = 1000,
    resolutions: Sequence[int] | None = None,
    **_: Any,
) -> nn.Module:
    return _static_model(_search_space(space, resolutions), sample, num_classes)


def register_profiling() -> None:
    """Tell NNI's `FlopsProfiler`, `NumParamsProfiler` and `FlopsParamsProfiler` how to count both faces.

    Multiply-adds and parameters of the static model; images are resized inside, so the input's side changes nothing.
    """
    for kind in (ElasticModule, NativeNetwork):
        profiler_leaf_module(kind)  # its inside need not be looked into
        register_shape_inference_formula(kind, _shape)
        register_flops_formula(kind, _flops)


def _shape(network: ElasticModule | NativeNetwork, images: Any) -> MutableShape:
    return MutableShape(images.real_shape[0], network.num_classes)


def _flops(network: ElasticModule | NativeNetwork, _inputs: Any, _outputs: Any) -> FlopsResult:
    space, classes = network.space, network.num_classes
    return FlopsResult(
        _expression(space, lambda arch: space.mflops(arch, classes) * 1e6, "multiply_adds"),
        _expression(space, lambda arch: space.params(arch, classes, idle_shortcuts=False), "parameters"),
    )


def _expression(space: SearchSpace, count: Callable[[Any], float], name: str) -> MutableExpression:
    """An expression of all genes; evaluated it is `count` of their arch."""
    genes = open_genes(space)
    labels = [gene.name for gene in genes]
    template = f"{name}({', '.join('{}' for _ in genes)})"
    choices = [nni.choice(gene.name, list(gene.choices)) for gene in genes]
    return MutableExpression(
        lambda *values: count(arch_of(space, dict(zip(labels, values, strict=True)))), template, choices
    )


register_profiling()


class TaggedBatches(Collection[Any]):
    """All training batches, then all validation batches, each as (batch, "train" or "val"): ENAS's own older form."""

    def __init__(self, train: Collection[Any], val: Collection[Any]):
        self.train = train
        self.val = val

    def __len__(self) -> int:
        return len(self.train) + len(self.val)

    def __iter__(self) -> Iterator[tuple[Any, str]]:
        yield from ((batch, "train") for batch in self.train)
        yield from ((batch, "val") for batch in self.val)

    def __contains__(self, item: object) -> bool:
        return any(item is batch for batch in self)


def repair_enas(strategy: ENAS) -> ENAS:
    """Let this strategy load batches in the form that its training step reads on any Lightning.

    Our spaces do it themselves; for others call it before the experiment.
    """

    def train_dataloader(train: Callable[[], Collection[Any]], val: Callable[[], Collection[Any]]) -> TaggedBatches:
        return TaggedBatches(train(), val())

    strategy.train_dataloader = train_dataloader  # type: ignore[method-assign]
    return strategy
