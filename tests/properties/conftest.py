"""How often a property is tried: some tens of times by default, thousands of times with ``-m slow``."""

import pytest
from hypothesis import HealthCheck, Phase, settings


@pytest.fixture(params=[20, pytest.param(2000, marks=pytest.mark.slow)], ids=["some", "many"])
def tried(request):
    """A decorator for what `hypothesis.given` made."""
    return settings(
        max_examples=request.param, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), print_blob=False, phases=[Phase.generate],
    )  # fmt: skip
