"""The default form reproduces numbers measured on the released program."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from alphanet_plugin.losses import AdaptiveAlphaDivergence

GOLDEN = Path(__file__).parents[1] / "data" / "golden_kd.safetensors"


@pytest.mark.parametrize("case", ["c0", "c2", "c4"])
def test_reference_form_reproduces_the_released_program(case):
    with safe_open(GOLDEN, "pt") as golden:
        settings = json.loads(golden.metadata()[case])
        student, teacher, low, high, slope = (
            golden.get_tensor(f"{case}.{name}") for name in ("student", "teacher", "div_min", "div_max", "grad")
        )
    loss = AdaptiveAlphaDivergence(**settings)
    assert loss.form == "reference"
    div_min, div_max = loss.divergences(student, teacher)
    torch.testing.assert_close(div_min, low, rtol=2e-6, atol=1e-6)
    torch.testing.assert_close(div_max, high, rtol=2e-6, atol=1e-6)

    student.requires_grad_()
    mean = loss(student, teacher)
    mean.backward()
    torch.testing.assert_close(mean.detach(), torch.maximum(low, high).mean(), rtol=2e-6, atol=1e-6)
    torch.testing.assert_close(student.grad, slope, rtol=1e-4, atol=1e-7)
