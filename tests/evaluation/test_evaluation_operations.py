"""What fvcore counts, and what a latency says of itself. No time is asserted."""

import pytest
import torch

from alphanet_plugin import get_space
from alphanet_plugin.evaluation import count_operations, measure_latency
from alphanet_plugin.models import alphanet_subnet

SPACE = get_space("attentive_nas", resolutions=(33, 40, 64))


@pytest.mark.parametrize("name", ["a0", "a3", "a6", "largest"])
def test_fvcore_and_the_closed_form_agree(name):
    arch = SPACE.largest() if name == "largest" else SPACE.presets[name]
    model = alphanet_subnet(arch=arch, num_classes=7)
    parts = {part for block in model.modules() for part, child in block.named_children() if list(child.parameters())}
    assert {"se", "shortcut"} <= parts, "the archs have both"
    counted = count_operations(model, (3, arch.resolution, arch.resolution))
    assert counted.multiply_adds == round(SPACE.mflops(arch, 7) * 1e6)
    assert counted.params == SPACE.params(arch, 7, idle_shortcuts=False) == sum(p.numel() for p in model.parameters())
    assert set(counted.others) == {"batch_norm", "adaptive_avg_pool2d"}
    assert model.training, "modes are put back"


def test_a_latency_names_its_machine():
    model = torch.nn.Conv2d(3, 2, 1, dtype=torch.float64)
    latency = measure_latency(model, (3, 5, 6), batch=2, min_seconds=0.01)
    assert latency.median_ms > 0
    assert (latency.batch, latency.input_size, latency.dtype) == (2, (3, 5, 6), "float64")
    assert latency.threads == torch.get_num_threads()
    assert latency.machine
    assert str(latency).endswith(f"thread(s), eager float64, torch {torch.__version__}")
    assert model.training, "modes are put back"
