"""What compilers and exporters make of a model takes images of any size, sides that halve to odd ones among them."""

import io
import logging
import warnings

import numpy as np
import onnxruntime
import pytest
import timm
import torch
from torch import nn
from torch._dynamo.utils import counters
from torch.nn import functional as F

from alphanet_plugin.models import Shortcut

SIZES = ((75, 80), (80, 75), (96, 96), (128, 75))
HALVINGS = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), *[Shortcut(4, 4, 2) for _ in range(4)])
FREE = {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = timm.create_model("alphanet_a0", num_classes=10, zero_init_last=False).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.02, 0.1)  # keeps what an image makes from fading
    return model


def images(height, width, batch=2):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(height + width))


@torch.no_grad()
def check(run, model, sizes=SIZES, tolerance=0.0):
    """`run` gives the model's logits at each size, within `tolerance` of the largest; 0 means bit for bit."""
    for size in sizes:
        x = images(*size)
        expected = model(x)
        assert expected.std() > 1e-3
        assert (torch.as_tensor(run(x)) - expected).abs().max() <= tolerance * expected.abs().max(), size


def onnx_runs(file):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    return lambda x: np.asarray(session.run(None, {entry.name: x.numpy()})[0])


def quietly(**options):
    """`torch.onnx.export`, whose older exporter warns of its age and of constants that it does not fold."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.onnx.export(**options, f=file if not options["dynamo"] else None)
    if exported is not None:
        file.write(exported.model_proto.SerializeToString())
    return onnx_runs(file)


def test_pooling_is_that_of_a_padded_average():
    for height in range(1, 10):
        for width in (1, 4, 7):
            x = images(height, width)
            padded = F.avg_pool2d(x, 2, stride=2, padding=[height % 2, width % 2])
            assert torch.equal(Shortcut(3, 3, 2)(x), padded)


def test_torchscript(model):
    check(torch.jit.script(model), model)
    check(torch.jit.trace(model, images(96, 96)), model)


def graphs(model, sizes):
    """How many graphs torch.compile makes for images of `sizes`."""
    torch._dynamo.reset()
    counters.clear()
    check(torch.compile(model, backend="eager", dynamic=True), model, sizes)
    return counters["stats"]["unique_graphs"]


def test_one_compiled_graph_serves_all_sizes(monkeypatch):
    # pytest would keep each line of the compiler's structured trace, which takes longer than compiling
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "propagate", False)
    assert graphs(HALVINGS, SIZES) == 1
    assert graphs(HALVINGS, [(side, side) for side in (64, 75, 80, 96, 128)]) == 1


@pytest.mark.slow
def test_one_compiled_graph_of_a_whole_model_serves_all_sizes(model, monkeypatch):
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "propagate", False)
    assert graphs(model, [(side, side) for side in (64, 75, 80, 96, 128)]) == 1


def test_torch_export(model):
    program = torch.export.export(model, (images(96, 96),), dynamic_shapes=(FREE,))
    check(program.module(), model)


@pytest.mark.parametrize("name", ["alphanet_a0", "us_mobilenet_v2"])
def test_torchscript_onnx_exporter(model, name):
    """timm's onnx_export.py, by its default."""
    if name != "alphanet_a0":
        model = timm.create_model(name, num_classes=10).eval()
    options = {"model": model, "args": images(96, 80), "dynamo": False, "opset_version": 17, "input_names": ["images"]}
    check(quietly(**options), model, sizes=[(96, 80)], tolerance=1e-5)
    free = {"images": {0: "batch", 2: "height", 3: "width"}}
    check(quietly(**options, dynamic_axes=free), model, tolerance=1e-5)


def test_torch_export_based_onnx_exporter():
    options = {"args": (images(96, 80),), "dynamo": True, "dynamic_shapes": (FREE,), "verbose": False}
    check(quietly(model=HALVINGS, **options), HALVINGS, tolerance=1e-5)


@pytest.mark.slow
def test_torch_export_based_onnx_exporter_of_a_whole_model(model):
    run = quietly(model=model, args=(images(96, 80),), dynamo=True, dynamic_shapes=(FREE,), verbose=False)
    check(run, model, tolerance=1e-5)
