"""Losses: cross entropy on labels, and the divergences by which a large network teaches its subnets."""

from alphanet_plugin.losses.alpha import AdaptiveAlphaDivergence, AlphaDivergence
from alphanet_plugin.losses.alpha_term import AlphaForm
from alphanet_plugin.losses.base import KDLoss, log_probabilities
from alphanet_plugin.losses.cross_entropy import LabelSmoothingCrossEntropy
from alphanet_plugin.losses.fixed_teacher import FixedTeacherObjective
from alphanet_plugin.losses.kl import KLDivergence, ReverseKLDivergence, SymmetricKLDivergence

__all__ = [
    "AdaptiveAlphaDivergence",
    "AlphaDivergence",
    "AlphaForm",
    "FixedTeacherObjective",
    "KDLoss",
    "KLDivergence",
    "LabelSmoothingCrossEntropy",
    "ReverseKLDivergence",
    "SymmetricKLDivergence",
    "log_probabilities",
]
