"""alpha-divergences of given probabilities, in closed form (AlphaNet, Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..atomic import write_text
from ..config import DivergencesConfig
from ..report import DivergenceExample, csv_lines, markdown_lines, plot_divergences

_IN_TABLE = (-1.0, 0.0, 0.5, 1.0, 2.0)


def alpha_divergence(teacher: Sequence[float], student: Sequence[float], alpha: float) -> float:
    """D_alpha(p || q) of eq. 3, in nats: p the teacher, q the student, probabilities above 0 that add up to 1.

    At alpha 0 and 1 it is its limit, KL(q || p) and KL(p || q). Near them nothing cancels: as p and q add up to 1,
    sum q [t^alpha - 1] with t = p / q is also sum p [t^(alpha - 1) - 1], and expm1 gives either bracket exactly.
    """
    p, q = np.asarray(teacher, dtype=np.float64), np.asarray(student, dtype=np.float64)
    log_t = np.log(p) - np.log(q)
    if alpha == 1.0:
        return float(np.sum(p * log_t))
    if alpha == 0.0:
        return float(-np.sum(q * log_t))
    total = np.sum(q * np.expm1(alpha * log_t)) if alpha < 0.5 else np.sum(p * np.expm1((alpha - 1) * log_t))
    return float(total / (alpha * (alpha - 1)))


def entropy(probabilities: Sequence[float]) -> float:
    """What the paper calls uncertainty, in nats."""
    p = np.asarray(probabilities, dtype=np.float64)
    return float(-np.sum(p * np.log(p)))


def write_divergences(config: DivergencesConfig) -> str:
    """Write ``table.md``, ``divergences.csv`` and ``figure2.png`` to the output folder; returns the table."""
    folder = Path(config.output)
    # rounded, so that -1, 0 and 1 are met exactly
    alphas = [round(float(a), 12) for a in np.linspace(config.alpha_min, config.alpha_max, config.points)]
    values = [[alpha_divergence(one.teacher, one.student, alpha) for alpha in alphas] for one in config.examples]
    text = _table(config)
    write_text(folder / "table.md", f"# {config.title}\n\n{text}")
    titles = ["alpha", *(one.name for one in config.examples)]
    write_text(folder / "divergences.csv", csv_lines([titles, *zip(alphas, *values, strict=True)]))
    plot_divergences(
        alphas,
        [DivergenceExample(e.name, e.teacher, e.student, v) for e, v in zip(config.examples, values, strict=True)],
        folder / "figure2.png",
        title=config.title,
    )
    return text


def _table(config: DivergencesConfig) -> str:
    limits = {0.0: " (reverse KL)", 1.0: " (KL)"}
    titles = ["", "teacher's class", "student's", "teacher's entropy", "student's",
              *(f"alpha {a:g}{limits.get(a, '')}" for a in _IN_TABLE)]  # fmt: skip
    rows = [
        [
            example.name,
            str(int(np.argmax(example.teacher)) + 1),
            str(int(np.argmax(example.student)) + 1),
            f"{entropy(example.teacher):.4f}",
            f"{entropy(example.student):.4f}",
            *(f"{alpha_divergence(example.teacher, example.student, alpha):.4f}" for alpha in _IN_TABLE),
        ]
        for example in config.examples
    ]
    return markdown_lines([titles, *rows])
