"""BatchNorm calibration and evaluation of subnets."""

from .accuracy import evaluate
from .calibration import recalibrate_bn
from .evaluator import Evaluator
from .latency import Latency, measure_latency
from .metrics import Metrics
from .operations import Operations, count_operations
from .subnet_evaluator import SubnetEvaluator

__all__ = [
    "Evaluator", "Latency", "Metrics", "Operations", "SubnetEvaluator", "count_operations", "evaluate",
    "measure_latency", "recalibrate_bn",
]  # fmt: skip
