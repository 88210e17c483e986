"""A study's pictures, from its results."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..config import PictureConfig, StudyConfig
from ..report import plot_boxes, plot_curves, plot_fronts, plot_relative
from ..report.canvas import MFLOPS
from .cell_kind import CellOutcome
from .results import StudyResults

Outcomes = Mapping[str, Mapping[int, CellOutcome]]
"""Name of an arm -> seed -> outcome."""


def draw_pictures(study: StudyConfig, results: StudyResults) -> list[Path]:
    """Write every picture of which there is anything yet; returns their paths."""
    written = []
    for group in results.groups:
        outcomes = results.outcomes(group)
        for picture in study.pictures:
            shown = {arm: outcomes[arm] for arm in picture.arms or outcomes if arm in outcomes}
            if picture.kind == "relative":
                shown = {arm: by_seed for arm, by_seed in shown.items() if arm != study.baseline}
            name = "_".join([picture.name or picture.kind, *([_slug(group)] if group else [])])
            title = ": ".join(part for part in (picture.title or study.title, group) if part)
            if shown and _draw(study, picture, shown, outcomes, Path(study.output) / f"{name}.png", title):
                written.append(Path(study.output) / f"{name}.png")
    return written


def relative_accuracy(arm: Mapping[int, CellOutcome], baseline: Mapping[int, CellOutcome]) -> list[list[float]]:
    """For each regime, by seed: the best accuracy of the arm's random subnets less the best of the baseline's."""
    seeds = sorted(arm.keys() & baseline.keys())
    if not seeds:
        return []
    count = 1 + max(int(subnet["regime"]) for subnet in arm[seeds[0]].random)
    ours = {seed: _best(arm[seed], count) for seed in seeds}
    theirs = {seed: _best(baseline[seed], count) for seed in seeds}
    return [
        [a - b for seed in seeds if (a := ours[seed][n]) is not None and (b := theirs[seed][n]) is not None]
        for n in range(count)
    ]


def _draw(
    study: StudyConfig, picture: PictureConfig, shown: Outcomes, outcomes: Outcomes, path: Path, title: str
) -> bool:
    """Whether there was anything to draw."""
    seeds, among = _seeds(shown), _shown_arms(study)
    if picture.kind == "measured":
        points = {
            arm: [sorted((m["mflops"], m["top1"]) for m in outcome.columns.values()) for outcome in by_seed.values()]
            for arm, by_seed in shown.items()
        }
        subtitle = f"the networks of the table, on the test images; mean and one standard deviation of {seeds}"
        plot_curves({"": points}, path, title=title, subtitle=subtitle, xlabel=MFLOPS, among=among)
    elif picture.kind == "pareto":
        fronts = {
            arm: [[(subnet["mflops"], subnet["top1"]) for subnet in outcome.searched] for outcome in by_seed.values()]
            for arm, by_seed in shown.items()
        }
        subtitle = f"Pareto fronts on the search images; thin: {seeds}; thick: their mean"
        plot_fronts(fronts, path, title=title, subtitle=subtitle, among=among)
    elif picture.kind == "curves":
        panels = {
            f"{end} subnet": {
                arm: [[(r["epoch"], r[end]["top1"]) for r in outcome.curve] for outcome in by_seed.values()]
                for arm, by_seed in shown.items()
            }
            for end in ("smallest", "largest")
        }
        subtitle = f"during training, on the search images; mean and one standard deviation of {seeds}"
        plot_curves(panels, path, title=title, subtitle=subtitle, among=among)
    elif picture.kind == "boxes":
        regimes = _regimes(next(iter(next(iter(shown.values())).values())))
        values = {arm: _by_regime(by_seed, len(regimes)) for arm, by_seed in shown.items()}
        subtitle = f"random subnets of {seeds} on the search images; minimum, quartiles, maximum"
        plot_boxes(regimes, values, path, title=title, subtitle=subtitle, among=among)
    else:
        baseline = outcomes.get(study.baseline or "", {})
        differences = {arm: found for arm, by_seed in shown.items() if (found := relative_accuracy(by_seed, baseline))}
        if not differences:
            return False
        regimes = _regimes(next(iter(baseline.values())))
        subtitle = f"best random subnet of each band, less that of {study.baseline}; bars: mean of {seeds}; dots: each"
        plot_relative(regimes, differences, path, title=title, subtitle=subtitle, among=among)
    return True


def _shown_arms(study: StudyConfig) -> list[str]:
    """The arms of all pictures, in the study's order: each looks the same in all of them."""
    shown = {arm for picture in study.pictures for arm in picture.arms or [arm.name for arm in study.arms]}
    return [arm.name for arm in study.arms if arm.name in shown]


def _seeds(shown: Outcomes) -> str:
    counts = sorted({len(by_seed) for by_seed in shown.values()})
    range_of = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    return f"{range_of} seed{'s' if counts[-1] > 1 else ''}"


def _regimes(outcome: CellOutcome) -> list[str]:
    """What each is called: the MFLOPs of its cheapest and costliest subnet."""
    names = []
    for number in range(1 + max(int(subnet["regime"]) for subnet in outcome.random)):
        costs = [subnet["mflops"] for subnet in outcome.random if subnet["regime"] == number]
        names.append(f"{min(costs):.3g} to {max(costs):.3g}" if costs else "-")
    return names


def _by_regime(by_seed: Mapping[int, CellOutcome], count: int) -> list[list[float]]:
    subnets = [subnet for outcome in by_seed.values() for subnet in outcome.random]
    return [[subnet["top1"] for subnet in subnets if subnet["regime"] == number] for number in range(count)]


def _best(outcome: CellOutcome, count: int) -> Sequence[float | None]:
    return [
        max((subnet["top1"] for subnet in outcome.random if subnet["regime"] == number), default=None)
        for number in range(count)
    ]


def _slug(name: str) -> str:
    """A part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
