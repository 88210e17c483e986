"""Exported files: what is in them, what they compute, and that a wrong one is not put in place."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import timm
import torch
from torch import nn

from alphanet_plugin import get_space
from alphanet_plugin.errors import ExportError
from alphanet_plugin.export import FORMATS, describe, export_model
from alphanet_plugin.export.file_format import OLDEST_OPSET, OnnxFormat
from alphanet_plugin.models import alphanet_subnet
from alphanet_plugin.supernet import build_supernet

SMALL = get_space("attentive_nas", resolutions=(32, 40))
CLASSES = [f"class {number}" for number in range(7)]


def subnet():
    model = alphanet_subnet(arch=SMALL.smallest(), num_classes=7, zero_init_last=False)
    model.pretrained_cfg = {**model.pretrained_cfg, "label_names": CLASSES, "mean": (0.1, 0.2, 0.3), "tag": "mine"}
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(torch.randn(64, 3, 32, 32))
    return model


class Tiny(nn.Module):
    """A model of one layer, with what is asked of timm's."""

    num_classes = 2

    def __init__(self):
        super().__init__()
        self.pretrained_cfg = {"input_size": (3, 8, 8)}
        self.conv = nn.Conv2d(3, 2, 8)
        self.bn = nn.BatchNorm2d(2)

    def forward(self, x):
        return self.bn(self.conv(x)).flatten(1)


def images(batch):
    return torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(batch))


@torch.no_grad()
def assert_same(logits, model, batch):
    expected = model.eval()(images(batch)).numpy()
    assert np.abs(logits - expected).max() <= 1e-5 * np.abs(expected).max()


def check_description(facts):
    assert facts["architecture"] == "alphanet_subnet"
    assert facts["tag"] == "mine"
    assert facts["arch"] == str(SMALL.smallest())
    assert json.loads(facts["class_names"]) == CLASSES
    assert json.loads(facts["input_size"]) == [3, 32, 32]
    assert json.loads(facts["mean"]) == [0.1, 0.2, 0.3]
    assert len(json.loads(facts["std"])) == 3
    assert facts["interpolation"] == "bicubic"


def test_onnx_takes_any_batch_and_says_what_it_is(tmp_path):
    import onnxruntime

    model, path = subnet(), tmp_path / "new" / "subnet.onnx"
    exported = export_model(model, path)
    assert model.training
    assert [file.name for file in path.parent.iterdir()] == ["subnet.onnx"]
    assert (exported.path, exported.input_size) == (path, (3, 32, 32))
    assert 0 <= exported.difference < 1e-5
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [(each.name, each.shape) for each in session.get_inputs()] == [("images", ["batch", 3, 32, 32])]
    assert [(each.name, each.shape) for each in session.get_outputs()] == [("logits", ["batch", 7])]
    for batch in (1, 2, 5):
        assert_same(session.run(None, {"images": images(batch).numpy()})[0], model, batch)
    check_description(session.get_modelmeta().custom_metadata_map)


def test_onnx_of_a_subnet_has_its_kernel_transform_folded_in(tmp_path):
    import onnx
    import onnxruntime

    stage = {"width": 16, "depth": [1, 2], "kernel_size": [3, 5, 7], "expand_ratio": [2, 4], "stride": 2, "se": True}
    table = {
        "resolutions": [32], "act": "hard_swish", "shortcut": "identity", "per_block": ["kernel_size"],
        "stem": {"width": 8}, "stages": [stage, {**stage, "width": 24}], "head": {"expand_width": 48, "width": 64},
    }  # fmt: skip
    space = get_space(table=table)
    supernet = build_supernet(space, num_classes=7, resize_input=False, kernel_transform=True)
    with torch.no_grad():
        for name, parameter in supernet.named_parameters():
            if name.endswith("_matrix"):
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
    arch = space.smallest()  # every kernel a learnt map of a map of the larger ones' centres
    supernet.activate(arch)
    with torch.no_grad():
        for norm in (module for module in supernet.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.momentum = 1.0
        supernet.train()(torch.randn(16, 3, 32, 32))
        expected = supernet.eval()(images(3)).numpy()
    path = tmp_path / "subnet.onnx"
    export_model(supernet.extract(arch), path)
    assert not any("matrix" in tensor.name for tensor in onnx.load(path).graph.initializer)
    (logits,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(
        None, {"images": images(3).numpy()}
    )
    assert np.abs(logits - expected).max() <= 1e-4 * np.abs(expected).max()


def test_pt2_takes_any_batch_and_says_what_it_is(tmp_path):
    model, path = subnet(), tmp_path / "subnet.pt2"
    export_model(model, path, "pt2")
    extra = {"model.json": ""}
    program = torch.export.load(path, extra_files=extra).module()
    for batch in (1, 2, 5):
        assert_same(program(images(batch)).detach().numpy(), model, batch)
    check_description(json.loads(extra["model.json"]))


def opset_and_inputs(path):
    import onnx

    read = onnx.load(path)
    dims = read.graph.input[0].type.tensor_type.shape.dim
    return read.opset_import[0].version, [dim.dim_param or dim.dim_value for dim in dims]


def test_older_opsets_and_free_sizes(tmp_path):
    import onnxruntime

    model, path = subnet(), tmp_path / "subnet.onnx"
    exported = export_model(model, path, opset=17, free_size=True)
    assert exported.free_size
    assert exported.difference < 5e-5  # BatchNorm is folded, and the free sizes are not those of its statistics
    assert opset_and_inputs(path) == (17, ["batch", 3, "height", "width"])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    check_description(session.get_modelmeta().custom_metadata_map)
    for height, width in ((75, 80), (96, 33)):
        x = torch.randn(2, 3, height, width)
        with torch.no_grad():
            expected = model.eval()(x).numpy()
        (found,) = session.run(["logits"], {"images": x.numpy()})
        assert np.abs(found - expected).max() <= 5e-5 * np.abs(expected).max()


def test_an_opset_that_cannot_be_had_is_an_error(tmp_path, capfd):
    from onnx.defs import onnx_opset_version

    newest = onnx_opset_version()
    for opset in (-1, 5, newest + 1):
        with pytest.raises(ExportError, match=f"^opset {opset} cannot be written: .* reach 7 to {newest}, "):
            export_model(Tiny(), tmp_path / "tiny.onnx", opset=opset)
    with pytest.raises(ExportError) as failure:
        export_model(subnet(), tmp_path / "tiny.onnx", opset=9)
    assert re.fullmatch(
        r"torch cannot export MobileNetwork to onnx at opset 9: Unsupported: ONNX export of Pad in opset 9\. .{0,90}"
        f"; this package's networks can be had at opsets 11 to {newest}",
        str(failure.value),
    )
    assert capfd.readouterr() == ("", "")  # torch prints the graph
    with pytest.raises(ExportError, match="opset 17 is ONNX's; a pt2 file has none, leave it out"):
        export_model(Tiny(), tmp_path / "tiny.pt2", "pt2", opset=17)
    assert not list(tmp_path.iterdir())


def test_the_opsets_that_a_message_names_can_be_had(tmp_path):
    from onnx.defs import onnx_opset_version

    for opset, model, size in ((OLDEST_OPSET, subnet(), 32), (onnx_opset_version(), Tiny(), 8)):
        export_model(model, tmp_path / "model.onnx", opset=opset)
        assert opset_and_inputs(tmp_path / "model.onnx") == (opset, ["batch", 3, size, size])


def test_sizes_that_are_not_free_are_an_error(tmp_path):
    class Taller(Tiny):
        def forward(self, x):
            return x.mean((2, 3)) + 1 if x.shape[2] > 8 else x.mean((2, 3))

    with pytest.raises(ExportError, match="its logits by onnxruntime differ from torch's by"):
        export_model(Taller(), tmp_path / "taller.onnx", opset=17, free_size=True, fused=False)
    with pytest.raises(ExportError, match="Tiny for 1 images of 8 x 6 pixels, which it does not take: "):
        export_model(Tiny(), tmp_path / "tiny.onnx", free_size=True)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ExportError, match="is a folder; give a file's path"):
        export_model(Tiny(), tmp_path)


@pytest.mark.parametrize(
    ("name", "options"), [("onnx", {"opset": 17}), pytest.param("pt2", {}, marks=pytest.mark.slow)]
)
def test_a_backbone_gives_all_its_features(tmp_path, name, options):
    backbone = timm.create_model("alphanet_a0", features_only=True, zero_init_last=False)
    backbone.pretrained_cfg = {**backbone.pretrained_cfg, "input_size": (3, 48, 48)}
    exported = export_model(backbone, tmp_path / f"backbone.{name}", name, free_size=True, **options)
    assert exported.outputs == tuple(f"features_{level}" for level in range(5))
    assert exported.difference < 1e-5
    assert json.loads(exported.description["feature_reductions"]) == [2, 4, 8, 16, 32]
    assert json.loads(exported.description["feature_channels"]) == [16, 24, 32, 112, 216]
    assert "num_classes" not in exported.description


def test_class_names_of_another_head_are_left_out():
    model = subnet()
    assert json.loads(describe(model)["class_names"]) == CLASSES
    model.reset_classifier(3)
    assert "class_names" not in describe(model)


@pytest.mark.parametrize("name", FORMATS)
def test_readers_know_nothing_of_this_package(tmp_path, name):
    path = tmp_path / f"tiny.{name}"
    free = {0: torch.export.Dim("batch")}
    program = torch.export.export(Tiny().eval(), (torch.zeros(2, 3, 8, 8),), dynamic_shapes=(free,))
    FORMATS[name].write(program, {}, path)
    np.savez(tmp_path / "images.npz", one=np.zeros((1, 3, 8, 8), np.float32))
    forbidden = {"alphanet_plugin", "timm", *(["torch", "onnx"] if name == "onnx" else [])}
    code = f"{FORMATS[name].reader_source()}\nassert not {forbidden} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, path, tmp_path / "images.npz", tmp_path / "logits.npz"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "logits.npz")["one"].shape == (1, 2)


def test_a_file_that_computes_something_else_is_not_put_in_place(tmp_path, monkeypatch):
    said = r"tiny\.onnx is not written: its logits by onnxruntime differ from torch's by \d\.\de"

    class Wrong(OnnxFormat):
        def write(self, program, description, path, *options):
            program.state_dict["conv.bias"].data.add_(0.5)
            super().write(program, description, path, *options)

    monkeypatch.setitem(FORMATS, "onnx", Wrong())
    path = tmp_path / "tiny.onnx"
    path.write_text("what stood there")
    with pytest.raises(ExportError, match=said):
        export_model(Tiny(), path)
    assert path.read_text() == "what stood there"
    assert list(tmp_path.iterdir()) == [path]


def test_logits_that_are_no_numbers_are_not_accepted(tmp_path):
    model = Tiny()
    nn.init.constant_(model.conv.bias, float("nan"))
    with pytest.raises(ExportError, match="differ from torch's by nan"):
        export_model(model, tmp_path / "tiny.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_read_is_not_put_in_place(tmp_path, monkeypatch):
    class Broken(OnnxFormat):
        def write(self, program, description, path, *options):  # noqa: ARG002
            path.write_bytes(b"no model")

    monkeypatch.setitem(FORMATS, "onnx", Broken())
    with pytest.raises(ExportError, match=r"a fresh process cannot run the file with onnxruntime: .*INVALID_PROTOBUF"):
        export_model(Tiny(), tmp_path / "tiny.onnx")
    assert not list(tmp_path.iterdir())


class OnlyPairs(Tiny):
    """A model whose batch is not free."""

    def forward(self, x):
        if x.shape[0] != 2:
            raise ValueError("two images, please")
        return super().forward(x)


def test_a_batch_that_is_not_free_is_an_error(tmp_path):
    with pytest.raises(ExportError, match="torch cannot export OnlyPairs with a free batch: "):
        export_model(OnlyPairs(), tmp_path / "pairs.onnx", fused=False)


def test_missing_packages_are_named_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ExportError, match=r"onnxscript and onnxruntime, .*: pip install onnxscript onnxruntime"):
        export_model(Tiny(), tmp_path / "tiny.onnx")
    FORMATS["pt2"].require()


def test_an_unknown_format_is_an_error_that_lists_the_known(tmp_path):
    with pytest.raises(ExportError, match=r"'tflite': give one of onnx, pt2"):
        export_model(Tiny(), tmp_path / "tiny.tflite", "tflite")


def test_images_are_those_that_the_model_is_measured_on(tmp_path):
    """The size and crop of testing, where a model's cfg has such, in the file and in its check."""
    model = timm.create_model("test_efficientnet", num_classes=2)
    testing = {"test_input_size": (3, 48, 40), "test_crop_pct": 0.9, "crop_mode": "squash", "mean": (0.1, 0.2, 0.3)}
    model.pretrained_cfg = {**model.pretrained_cfg, "input_size": (3, 32, 32), "crop_pct": 0.8, **testing}
    exported = export_model(model, tmp_path / "model.pt2", "pt2")
    assert exported.input_size == (3, 48, 40)
    wanted = timm.data.resolve_model_data_config(model, use_test_size=True)
    said = {key: exported.description[key] for key in wanted}
    assert {key: text if key in ("interpolation", "crop_mode") else json.loads(text) for key, text in said.items()} == {
        key: list(value) if isinstance(value, tuple) else value for key, value in wanted.items()
    }
    program = torch.export.load(exported.path).module()
    batch = torch.randn(2, 3, 48, 40)
    with torch.no_grad():
        torch.testing.assert_close(program(batch), model.eval()(batch), rtol=1e-4, atol=1e-5)
