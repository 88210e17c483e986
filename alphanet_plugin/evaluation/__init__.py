"""BatchNorm calibration and evaluation of subnets."""

from .accuracy import evaluate
from .calibration import recalibrate_bn
from .evaluator import Evaluator
from .metrics import Metrics
from .subnet_evaluator import SubnetEvaluator

__all__ = ["Evaluator", "Metrics", "SubnetEvaluator", "evaluate", "recalibrate_bn"]
