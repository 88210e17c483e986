"""NNI's profilers count our networks by the closed form of their space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nni
from nni.mutable import MutableExpression
from nni.nas.profiler.pytorch.flops import FlopsResult, register_flops_formula
from nni.nas.profiler.pytorch.utils import MutableShape, profiler_leaf_module, register_shape_inference_formula

from ...spaces import SearchSpace
from .elastic_module import ElasticModule
from .native_network import NativeNetwork
from .samples import arch_of, open_genes


def register() -> None:
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
