"""Elastic networks: one set of weights for every arch of a space."""

from .build import build_supernet
from .compiled import describe_kernels, use_kernels
from .layers import ElasticBatchNormAct2d, ElasticConv2d, ElasticLinear, ElasticSequential, make_elastic
from .mobile import MobileSupernet
from .prefix_linear import gradients_in_place
from .sort import sort_channels
from .supernet import Supernet, slice_weights
from .us_mobilenet import UsMobileNetSupernet

__all__ = [
    "ElasticBatchNormAct2d", "ElasticConv2d", "ElasticLinear", "ElasticSequential", "MobileSupernet", "Supernet",
    "UsMobileNetSupernet", "build_supernet", "describe_kernels", "gradients_in_place", "make_elastic",
    "slice_weights", "sort_channels", "use_kernels",
]  # fmt: skip
