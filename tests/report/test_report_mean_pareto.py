import json
from pathlib import Path

import pytest

from alphanet_plugin.report import mean_pareto_accuracy

READ = json.loads((Path(__file__).parents[1] / "data" / "mean_pareto.json").read_text())


@pytest.mark.parametrize("curve", READ)
def test_the_area_under_the_papers_curves(curve):
    facts = READ[curve]
    area = mean_pareto_accuracy(facts["mmacs"], facts["accuracy_read_from_figure"])
    assert area == pytest.approx(facts["area"], abs=1e-9)
    assert area == pytest.approx(facts["printed_in_table2"], abs=0.01)
    assert mean_pareto_accuracy(facts["mmacs"][::-1], facts["accuracy_read_from_figure"][::-1]) == pytest.approx(area)


def test_by_hand():
    assert mean_pareto_accuracy([10, 20, 40], [0.0, 60.0, 90.0]) == pytest.approx((30 + 2 * 75) / 3)


@pytest.mark.parametrize(
    ("costs", "accuracies", "message"),
    [
        ([1, 2], [3], "give one accuracy for each cost"),
        ([1], [3], "two networks or more"),
        ([1, 1], [3, 4], "each of another cost"),
        ([1, float("nan")], [3, 4], "finite"),
    ],
)
def test_what_has_no_area(costs, accuracies, message):
    with pytest.raises(ValueError, match=message):
        mean_pareto_accuracy(costs, accuracies)
