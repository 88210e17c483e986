"""BatchNorm calibration and evaluation of subnets."""

from .accuracy import evaluate
from .calibration import recalibrate_bn
from .evaluator import Evaluator
from .latency import Latency, measure_latency
from .metrics import Metrics
from .subnet_evaluator import SubnetEvaluator

__all__ = ["Evaluator", "Latency", "Metrics", "SubnetEvaluator", "evaluate", "measure_latency", "recalibrate_bn"]
