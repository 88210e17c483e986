"""Elastic networks: one set of weights for every arch of a space."""

from .alphanet import AlphaNetSupernet
from .build import build_supernet
from .layers import ElasticBatchNormAct2d, ElasticConv2d, ElasticLinear, ElasticSequential, make_elastic
from .supernet import Supernet, slice_weights
from .us_mobilenet import UsMobileNetSupernet

__all__ = [
    "AlphaNetSupernet", "ElasticBatchNormAct2d", "ElasticConv2d", "ElasticLinear", "ElasticSequential", "Supernet",
    "UsMobileNetSupernet", "build_supernet", "make_elastic", "slice_weights",
]  # fmt: skip
