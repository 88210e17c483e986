"""BatchNorm calibration and evaluation of subnets."""

from .accuracy import Evaluator, Metrics, evaluate
from .calibration import norm_statistics, put_norm_statistics, recalibrate_bn
from .latency import Latency, machine_name, measure_latency
from .latency_table import LatencyTable, TableConditions, TableError
from .operations import Operations, count_operations
from .subnet_evaluator import QuickEvaluator, SubnetEvaluator

__all__ = [
    "Evaluator", "Latency", "LatencyTable", "Metrics", "Operations", "QuickEvaluator", "SubnetEvaluator",
    "TableConditions", "TableError", "count_operations", "evaluate", "machine_name", "measure_latency",
    "norm_statistics", "put_norm_statistics", "recalibrate_bn",
]  # fmt: skip
