"""Accuracy of subnets that were not evaluated, fitted on those that were."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SearchError
from ..spaces import Arch, SearchSpace
from .evaluated import Cost, Evaluated, mflops_cost
from .variation import ChoiceTable, select_parents

PREDICTORS = ("ridge", "mlp")
MIN_POINTS = 10  # evaluated subnets from which a fit is tried
_FOLDS = 5
_MANY = 16  # candidates of a gene from which on its place is a feature, not each candidate one
_PENALTIES = np.logspace(-3, 3, 13)


@dataclass(frozen=True, kw_only=True)
class RankCorrelation:
    """How well a predictor ranks subnets that it was not fitted on; prints as a sentence.

    Attributes:
        predictor: Its name.
        spearman: Spearman's rank correlation, -1 to 1.
        kendall: Kendall's tau-b, -1 to 1.
        subnets: How many were predicted, each by a fit on the other folds.
    """

    predictor: str
    spearman: float
    kendall: float
    subnets: int

    def __str__(self) -> str:
        return (
            f"predictor {self.predictor}: rank correlation on held-out subnets {self.spearman:.2f} (Spearman), "
            f"{self.kendall:.2f} (Kendall), {_FOLDS}-fold over {self.subnets}"
        )


class Predictor:
    """Arch -> a metric, by scikit-learn: what each candidate of each gene adds, and the cost.

    Features are one for each candidate of each gene (one-hot), for a gene of many candidates its place and that
    squared, and the logarithm of the multiply-adds, in which accuracy is nearer to a straight line.

    Args:
        space: Of the archs.
        num_classes: Outputs of the classifier, which is part of the cost.
        name: ``ridge``, linear with a penalty chosen by leaving one out, or ``mlp``, two hidden layers of 32.
        metric: What is predicted.

    Raises:
        SearchError: scikit-learn is not installed.
    """

    def __init__(self, space: SearchSpace, num_classes: int, name: str = "ridge", metric: str = "top1"):
        self.name, self.metric = name, metric
        self._space, self._num_classes = space, num_classes
        self._table = ChoiceTable(space)
        self._new_model = _models()[name]

    def fit(self, points: Sequence[Evaluated]) -> Callable[[Sequence[Arch]], NDArray[np.floating]]:
        """Archs -> predictions (n,), learnt from subnets that were evaluated in full; the same from the same."""
        scores = np.asarray([point.score(self.metric) for point in points])
        model = self._fitted(self._features([point.arch for point in points]), scores)
        return lambda archs: model.predict(self._features(archs))

    def rank_correlation(self, points: Sequence[Evaluated]) -> RankCorrelation | None:
        """By cross-validation over evaluated subnets; None of fewer than `MIN_POINTS`."""
        if len(points) < MIN_POINTS:
            return None
        from scipy.stats import kendalltau, spearmanr
        from sklearn.model_selection import KFold

        features = self._features([point.arch for point in points])
        scores = np.asarray([point.score(self.metric) for point in points])
        predicted = np.empty(len(points))
        for fitted, held_out in KFold(_FOLDS, shuffle=True, random_state=0).split(features):
            predicted[held_out] = self._fitted(features[fitted], scores[fitted]).predict(features[held_out])
        if np.ptp(scores) == 0 or np.ptp(predicted) == 0:  # nothing to rank
            return RankCorrelation(predictor=self.name, spearman=0.0, kendall=0.0, subnets=len(points))
        found: list[Any] = [spearmanr(predicted, scores), kendalltau(predicted, scores)]
        spearman, kendall = (float(one.statistic) for one in found)
        return RankCorrelation(predictor=self.name, spearman=spearman, kendall=kendall, subnets=len(points))

    def _fitted(self, features: NDArray[np.floating], scores: NDArray[np.floating]) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="sklearn")  # an MLP that could go on
            return self._new_model().fit(features, scores)

    def _features(self, archs: Sequence[Arch]) -> NDArray[np.floating]:
        values = self._space.values_batch(archs)
        places = self._table.indices(values)
        columns = [np.log(self._space.mflops_batch(values, num_classes=self._num_classes))[:, None]]
        for gene, size in enumerate(self._table.sizes):
            place = places[:, gene, None]
            many = np.concatenate([place, place**2 / size], axis=1) / size
            columns.append(many if size > _MANY else place == np.arange(size))
        return np.concatenate(columns, axis=1).astype(np.float64)


def choose_promising(
    archs: Sequence[Arch],
    predicted: NDArray[np.floating],
    count: int,
    *,
    mflops: NDArray[np.floating],
    rank: str = "pareto",
    cost: Cost = mflops_cost,
    bin_mflops: float = 10.0,
) -> set[Arch]:
    """The `count` archs with the best predictions for their cost, ranked as a search ranks parents.

    Where parents are the best of bins, the next best of each follow until there are enough.
    """
    points = [
        Evaluated(arch, cost_of, {"predicted": value})
        for arch, cost_of, value in zip(archs, mflops.tolist(), predicted.tolist(), strict=True)
    ]
    chosen: set[Arch] = set()
    while len(chosen) < count and len(chosen) < len(points):
        left = [point for point in points if point.arch not in chosen]
        best = select_parents(
            left, count - len(chosen), rank=rank, metric="predicted", cost=cost, bin_mflops=bin_mflops
        )
        chosen.update(point.arch for point in best)
    return chosen


def _models() -> dict[str, Callable[[], Any]]:
    try:
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.linear_model import RidgeCV
        from sklearn.neural_network import MLPRegressor
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise SearchError("search.predictor needs scikit-learn: pip install scikit-learn, or leave it out") from error

    def mlp() -> Any:
        network = MLPRegressor(hidden_layer_sizes=(32, 32), solver="lbfgs", alpha=1.0, max_iter=300, random_state=0)
        scaled = TransformedTargetRegressor(network, transformer=StandardScaler())
        return make_pipeline(StandardScaler(), scaled)

    return {"ridge": lambda: make_pipeline(StandardScaler(), RidgeCV(_PENALTIES)), "mlp": mlp}
