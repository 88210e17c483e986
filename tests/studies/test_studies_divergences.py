"""Figure 2: alpha-divergences against arithmetic with fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from alphanet_plugin.cli.main import main
from alphanet_plugin.config import DivergencesConfig, from_dict, read_config
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.shipped import shipped
from alphanet_plugin.studies.divergences import alpha_divergence, entropy

FIGURE = shipped("configs/studies/figure2.yaml")
UNDER, OVER = read_config(DivergencesConfig, FIGURE).examples
EXAMPLES = pytest.mark.parametrize("example", [UNDER, OVER], ids=["under", "over"])


def by_fractions(example, alpha):
    """Eq. 3 for a whole alpha other than 0 and 1."""
    p, q = ([Fraction(repr(value)) for value in values] for values in (example.teacher, example.student))
    return sum(b * ((a / b) ** alpha - 1) for a, b in zip(p, q, strict=True)) / (alpha * (alpha - 1))


def kl(p, q):
    return math.fsum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True))


@EXAMPLES
@pytest.mark.parametrize("alpha", [-3, -2, -1, 2, 3])
def test_whole_alphas_by_fractions(example, alpha):
    exact = by_fractions(example, alpha)
    assert alpha_divergence(example.teacher, example.student, float(alpha)) == pytest.approx(float(exact), rel=1e-14)


def test_two_values_by_hand():
    # 1/2 (0.94^2 / 0.5 + 2 x 0.02^2 / 0.05 + 0.02^2 / 0.4 - 1) = 1/2 (1.7672 + 0.016 + 0.001 - 1)
    assert by_fractions(UNDER, -1) == Fraction("0.3921")
    # 1/2 (0.3^2 / 0.7 + 0.15 + 0.2^2 / 0.1 + 0.35^2 / 0.05 - 1) = 1/2 (9/70 + 3/20 + 2/5 + 49/20 - 1)
    assert by_fractions(OVER, -1) == Fraction(9, 140) + 1


@EXAMPLES
def test_limits_are_the_two_kl_divergences(example):
    p, q = example.teacher, example.student
    assert alpha_divergence(p, q, 1.0) == pytest.approx(kl(p, q), rel=1e-14)
    assert alpha_divergence(p, q, 0.0) == pytest.approx(kl(q, p), rel=1e-14)
    for limit in (0.0, 1.0):
        at = alpha_divergence(p, q, limit)
        for step in (1e-3, 1e-6, 1e-9, 1e-12):
            for alpha in (limit - step, limit + step):
                assert alpha_divergence(p, q, alpha) == pytest.approx(at, abs=5 * step + 1e-14)


@EXAMPLES
def test_half_is_of_hellingers_distance(example):
    exact = 2 * math.fsum(
        (math.sqrt(a) - math.sqrt(b)) ** 2 for a, b in zip(example.teacher, example.student, strict=True)
    )
    assert alpha_divergence(example.teacher, example.student, 0.5) == pytest.approx(exact, rel=1e-14)


def test_the_examples_are_as_the_paper_describes_them():
    assert entropy(UNDER.student) < entropy(UNDER.teacher)
    assert entropy(OVER.student) > entropy(OVER.teacher)
    mode = int(np.argsort(UNDER.teacher)[-2])  # the teacher's other mode, which the student misses
    assert UNDER.teacher[mode] > 0.3
    assert UNDER.student[mode] < 0.05
    assert (int(np.argmax(OVER.teacher)) + 1, int(np.argmax(OVER.student)) + 1) == (1, 4)
    for alpha in np.linspace(-2, 0, 21):  # negative alphas penalise over-estimation
        assert alpha_divergence(OVER.teacher, OVER.student, alpha) > alpha_divergence(
            UNDER.teacher, UNDER.student, alpha
        )
    for alpha in np.linspace(0.5, 2, 21):  # alphas such as KL's penalise under-estimation
        assert alpha_divergence(OVER.teacher, OVER.student, alpha) < alpha_divergence(
            UNDER.teacher, UNDER.student, alpha
        )


def test_command_writes_table_values_and_picture(tmp_path, capsys):
    assert main(["study", str(FIGURE), "--set", f"output={tmp_path}", "--dry-run"]) == 0
    assert list(tmp_path.iterdir()) == []
    assert main(["study", str(FIGURE), "--set", f"output={tmp_path}"]) == 0
    assert "| 2, over-estimation" in capsys.readouterr().out
    lines = (tmp_path / "divergences.csv").read_text().splitlines()
    assert len(lines) == 402
    values = {float(line.split(",")[0]): [float(v) for v in line.split(",")[1:]] for line in lines[1:]}
    assert values[-1.0] == [pytest.approx(0.3921), pytest.approx(149 / 140)]
    with Image.open(tmp_path / "figure2.png") as picture:
        assert picture.size == (1200, 800)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"student": [0.5, 0.4]}, "student must add up to 1, not 0.9"),
        ({"student": [1.0, 0.0]}, "student takes probabilities above 0"),
        ({"student": [0.5, 0.25, 0.25]}, "as many classes, not 2 and 3"),
    ],
)
def test_what_is_no_pair_of_distributions_is_named(changes, message):
    example = {"name": "x", "teacher": [0.5, 0.5], "student": [0.5, 0.5], **changes}
    with pytest.raises(ConfigError, match=message):
        from_dict(DivergencesConfig, {"kind": "divergences", "output": "x", "examples": [example]})
