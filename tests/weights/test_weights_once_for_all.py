"""Released once-for-all checkpoints in their three forms, and published subnets that bring their table."""

import json
import logging

import once_for_all
import pytest
import timm
import torch
from once_for_all import SPACES
from safetensors.torch import save_file

from alphanet_plugin import get_space, store
from alphanet_plugin.cli.main import main
from alphanet_plugin.errors import CheckpointError
from alphanet_plugin.supernet import build_supernet
from alphanet_plugin.weights import load_supernet, read_supernet_checkpoint

FORMS = {"memory": dict, "released": once_for_all.as_released, "teacher": once_for_all.as_teacher}


def written(path, kind, form, **changed):
    state = {name: tensor.float() for name, tensor in once_for_all.checkpoint(kind).items()}
    torch.save({"state_dict": {**FORMS[form](state), **changed}}, path)
    return path


@pytest.mark.parametrize("kind", SPACES)
def test_three_forms_of_names_are_one_checkpoint(tmp_path, kind):
    states = {form: read_supernet_checkpoint(written(tmp_path / form, kind, form), SPACES[kind]) for form in FORMS}
    expected = states["released"]
    assert {"blocks.1.0.conv_dw.7to5_matrix", "conv_expand.weight", "classifier.bias"} <= set(expected)
    for name, tensor in states["memory"].items():
        assert torch.equal(tensor, expected[name]), name
    assert set(states["teacher"]) == {name for name in expected if not name.endswith("_matrix")}
    with torch.device("meta"):
        assert set(build_supernet(SPACES[kind], kernel_transform=True).state_dict()) == set(expected)


def test_what_does_not_fit_is_named(tmp_path):
    path = written(tmp_path / "file", "mbv3", "released", surplus=torch.zeros(1))
    with pytest.raises(CheckpointError, match="surplus: surplus"):
        read_supernet_checkpoint(path, space=SPACES["mbv3"])
    with pytest.raises(CheckpointError, match=r"conv_stem\.weight is \(16, 3, 3, 3\), expected \(24, 3, 3, 3\)"):
        read_supernet_checkpoint(
            written(tmp_path / "file", "mbv3", "released"), space=get_space("ofa_mbv3", width_mult=1.2)
        )


def test_another_classifier_and_stray_matrices_are_said(tmp_path, caplog):
    state = read_supernet_checkpoint(written(tmp_path / "file", "mbv3", "released"), space=SPACES["mbv3"])
    net = build_supernet(SPACES["mbv3"], num_classes=10)
    before = net.classifier.weight.clone()
    with caplog.at_level(logging.WARNING):
        net.load_state_dict(state)
    assert "no kernel transform here, ignored: blocks.1.0.conv_dw" in caplog.text
    assert "weights are of 1000 classes: the classifier of 10 stays" in caplog.text
    assert torch.equal(net.classifier.weight, before)
    assert torch.equal(net.blocks[5][3].conv_pwl.weight, state["blocks.5.3.conv_pwl.weight"])


def test_import_publishes_plain_networks_that_know_their_table(tmp_path, capsys):
    save_file({"0": torch.randn(2, 3, 32, 32), "1": torch.randn(3, 3, 32, 32)}, tmp_path / "batches.safetensors")
    path = written(tmp_path / "file", "mbv3", "released")
    arguments = ["import", str(path), "--space", "ofa_mbv3", "--calibrate", str(tmp_path / "batches.safetensors")]
    assert main(arguments) == 0, capsys.readouterr().err
    names = timm.list_models("ofa_mbv3*", pretrained=True)
    assert {"ofa_mbv3_largest.ofa_in1k", "ofa_mbv3_smallest.ofa_in1k", "ofa_mbv3_subnet.ofa_in1k_d2e3"} <= set(names)
    model = timm.create_model("ofa_mbv3_subnet.ofa_in1k_d2e3", pretrained=True).eval()
    assert model.arch == SPACES["mbv3"].presets["d2e3"]
    assert model.pretrained_cfg["license"] == "mit"
    config = json.loads((store.model_folder("ofa_mbv3_smallest", "ofa_in1k") / store.CONFIG_FILE).read_text())
    assert config["model_args"]["space"] == get_space("ofa_mbv3", resolutions=(128,)).to_config()
    supernet = load_supernet(store.supernet_folder("ofa_mbv3", "ofa_in1k"))
    assert "blocks.1.0.conv_dw.7to5_matrix" in supernet.state_dict()


def test_spaces_without_released_checkpoints(tmp_path, capsys):
    assert main(["import", str(tmp_path / "x"), "--space", "us_mobilenet_v2"]) == 2
    assert "released checkpoints are of the spaces attentive_nas, ofa_mbv3" in capsys.readouterr().err
