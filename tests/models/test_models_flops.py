"""Multiply-adds by fvcore and by the space's closed form."""

import numpy as np
import pytest
import torch
from fvcore.nn import FlopCountAnalysis

from alphanet_plugin import get_space
from alphanet_plugin.models import alphanet_subnet

SPACE = get_space("attentive_nas")
SMALL = get_space("attentive_nas", resolutions=(33, 40))
SAMPLE = SMALL.sample_batch(2, np.random.default_rng(0))
ARCHS = {
    **{name: (SPACE, SPACE.presets[name]) for name in ("a0", "a5_base", "a6")},
    "largest": (SPACE, SPACE.largest()),
    **{f"random{number}": (SMALL, SMALL.from_values(row)) for number, row in enumerate(SAMPLE)},
    "odd": (SMALL, SMALL.smallest()),
}


@pytest.mark.parametrize("name", ARCHS)
def test_fvcore_agrees(name):
    space, arch = ARCHS[name]
    model = alphanet_subnet(arch=arch, num_classes=17).eval()
    counted = FlopCountAnalysis(model, torch.zeros(1, 3, arch.resolution, arch.resolution))
    by_operator = counted.unsupported_ops_warnings(False).by_operator()
    # fvcore counts more, which the papers (and the space) leave out: BatchNorm at 2 operations a value (scale and
    # shift, folded into the convolution when a network is deployed), and one addition a pixel in global pooling.
    # SE's mean and gate, average pooling and activations it does not count at all.
    assert set(by_operator) <= {"conv", "linear", "batch_norm", "adaptive_avg_pool2d"}
    assert by_operator["conv"] + by_operator["linear"] == round(space.mflops(arch, 17) * 1e6)
    assert counted.total() > by_operator["conv"] + by_operator["linear"]
