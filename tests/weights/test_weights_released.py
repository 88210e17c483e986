"""Released .pth.tar files: what is read from them, and what is refused. Values: the golden logits of tests/supernet."""

import argparse
import json
import os
import pickle
from pathlib import Path

import pytest
import stand_in_weights
import torch

from alphanet_plugin import get_space
from alphanet_plugin.errors import CheckpointError
from alphanet_plugin.supernet import build_supernet
from alphanet_plugin.weights import read_supernet_checkpoint

SHAPES = json.loads((Path(__file__).parents[1] / "data" / "official_checkpoint_shapes.json").read_text())


def state(**changed):
    """A checkpoint's state dict with zeros that take no room; None takes an entry out."""
    shapes = {name: tuple(shape) for name, shape in SHAPES.items()}
    entries = {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}
    return {name: tensor for name, tensor in {**entries, **changed}.items() if tensor is not None}


@pytest.fixture
def saved(tmp_path):
    def save(content):
        torch.save(content, tmp_path / "checkpoint.pth.tar")
        return tmp_path / "checkpoint.pth.tar"

    return save


def test_reads_into_the_supernet(stand_in_checkpoint):
    with torch.device("meta"):
        expected = build_supernet(get_space("attentive_nas"), num_classes=1000).state_dict()
    read = read_supernet_checkpoint(str(stand_in_checkpoint))
    assert {name: tensor.shape for name, tensor in read.items()} == {n: t.shape for n, t in expected.items()}
    for theirs, ours in {
        "first_conv.conv.conv.weight": "conv_stem.weight",
        "blocks.0.mobile_inverted_conv.depth_conv.conv.conv.weight": "blocks.0.0.conv_dw.weight",
        "blocks.36.mobile_inverted_conv.depth_conv.se.fc.reduce.bias": "blocks.6.1.se.fc1.bias",
        "blocks.7.shortcut.conv.conv.weight": "blocks.2.0.shortcut.conv.weight",
        "last_conv.feature_mix_layer.conv.conv.weight": "conv_head.weight",
        "classifier.linear.linear.bias": "classifier.bias",
    }.items():
        assert torch.equal(read[ours], torch.from_numpy(stand_in_weights.tensor(theirs, tuple(SHAPES[theirs]))))


@pytest.mark.parametrize(
    "content",
    [
        lambda: {"state_dict": state()},
        lambda: state(),
        lambda: {f"module.{name}": tensor for name, tensor in state().items()},
        lambda: {"state_dict": state(), "epoch": 3, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
        # a tracking BatchNorm beside the shared one, which nothing reads
        lambda: state(**{"blocks.0.mobile_inverted_conv.depth_conv.bn.bn_tracking.16.running_mean": torch.zeros(16)}),
    ],
    ids=["state_dict", "bare", "ddp", "optimizer", "tracking"],
)
def test_forms_of_a_checkpoint(saved, content):
    assert len(read_supernet_checkpoint(saved(content()))) > 500


def test_number_of_classes_is_read_off(saved):
    path = saved(
        state(
            **{
                "classifier.linear.linear.weight": torch.zeros(37, 1984),
                "classifier.linear.linear.bias": torch.zeros(37),
            }
        )
    )
    assert len(read_supernet_checkpoint(path)["classifier.bias"]) == 37


def test_space_may_have_other_resolutions(saved):
    assert read_supernet_checkpoint(saved(state()), get_space("attentive_nas", resolutions=(32, 40)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"first_conv.conv.conv.weight": None}, r"missing: conv_stem\.weight"),
        ({"classifier.linear.linear.bias": None}, r"missing: classifier\.bias"),
        ({"blocks.99.shortcut.conv.bias": torch.zeros(1)}, r"surplus: blocks\.99\.shortcut\.conv\.bias"),
        ({"something.else": torch.zeros(1)}, r"surplus: something\.else"),
        (
            {"first_conv.conv.conv.weight": torch.zeros(24, 1, 3, 3)},
            r"conv_stem\.weight is \(24, 1, 3, 3\), expected \(24, 3, 3, 3\)",
        ),
    ],
    ids=["missing", "missing head", "surplus block", "surplus", "misshapen"],
)
def test_what_does_not_fit_is_named(saved, changed, message):
    path = saved(state(**changed))
    with pytest.raises(
        CheckpointError, match=f"checkpoint.pth.tar does not fit the space: {message}; give a supernet's checkpoint as"
    ):
        read_supernet_checkpoint(path)


def test_long_lists_are_cut_short(saved):
    with pytest.raises(CheckpointError, match=r"; and [0-9]+ more; give a supernet's checkpoint as it was released"):
        read_supernet_checkpoint(saved({"weight": torch.zeros(1)}))


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_nothing_in_a_file_is_run(tmp_path, saved, form):
    folder = str(tmp_path / "made")
    path = saved({"state_dict": state(), "args": Bomb(folder)})
    if form == "pickle":
        path.write_bytes(pickle.dumps(Bomb(folder)))
    with pytest.raises(CheckpointError, match=r"cannot read .*checkpoint.pth.tar as a PyTorch checkpoint of tensors"):
        read_supernet_checkpoint(path)
    assert not os.path.exists(folder)


def test_other_objects_are_refused(saved):
    with pytest.raises(CheckpointError, match="as a PyTorch checkpoint of tensors"):
        read_supernet_checkpoint(saved({"state_dict": state(), "args": argparse.Namespace(lr=0.1)}))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut short", b"\x80\x02.", b"\x80"], ids=repr)
def test_files_that_are_no_checkpoint(tmp_path, content):
    path = tmp_path / "checkpoint.pth.tar"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"cannot read .*checkpoint.pth.tar"):
        read_supernet_checkpoint(path)


def test_a_checkpoint_cut_short(saved):
    path = saved(state())
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(CheckpointError, match=r"cannot read .*checkpoint.pth.tar"):
        read_supernet_checkpoint(path)


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": 3}, {"epoch": 3}, torch.zeros(3)], ids=str)
def test_checkpoints_of_something_else(saved, content):
    with pytest.raises(CheckpointError, match="it has no 'state_dict' of tensors"):
        read_supernet_checkpoint(saved(content))


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.pth\.tar"):
        read_supernet_checkpoint(tmp_path / "nothing.pth.tar")
    with pytest.raises(CheckpointError, match=r"cannot read"):
        read_supernet_checkpoint(tmp_path)


def test_torchs_advice_to_run_a_file_is_not_passed_on(tmp_path):
    path = tmp_path / "text.pth"
    path.write_text("output: x")
    with pytest.raises(CheckpointError, match=r"give the file that was released") as error:
        read_supernet_checkpoint(path, get_space("attentive_nas"))
    assert "weights_only" not in str(error.value)
