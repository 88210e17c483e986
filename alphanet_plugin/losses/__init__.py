"""Losses: cross entropy on labels, and the divergences by which a large network teaches its subnets."""

from .alpha import AdaptiveAlphaDivergence, AlphaDivergence, KLDivergence, ReverseKLDivergence, SymmetricKLDivergence
from .alpha_term import AlphaForm
from .base import KDLoss, log_probabilities
from .objective import LabelSmoothingCrossEntropy, Objective

__all__ = [
    "AdaptiveAlphaDivergence",
    "AlphaDivergence",
    "AlphaForm",
    "KDLoss",
    "KLDivergence",
    "LabelSmoothingCrossEntropy",
    "Objective",
    "ReverseKLDivergence",
    "SymmetricKLDivergence",
    "log_probabilities",
]
