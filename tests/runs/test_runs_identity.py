"""What a run depends on: what earlier versions kept is read as today's, and free keys are no part of it."""

import json
from pathlib import Path

import pytest

from alphanet_plugin.config import FinetuneConfig, NetworkRunConfig, RunConfig, from_dict, identity, read_config
from alphanet_plugin.digest import json_digest
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.runs import (
    RunFolder,
    complete_network_identity,
    complete_supernet_identity,
    network_identity,
    supernet_identity,
)
from alphanet_plugin.runs.identity import check_same_supernet
from alphanet_plugin.shipped import shipped_config

KEPT = json.loads((Path(__file__).parents[1] / "data" / "run_json_of_0_1.json").read_text())


def config(name, schema=RunConfig, *overrides):
    return read_config(schema, shipped_config(name), ["output=x", *overrides])


@pytest.mark.parametrize("name", ["configs/digits.yaml", "configs/us_mobilenet_v2_digits.yaml"])
def test_a_supernet_run_of_version_0_1_resumes(name, tmp_path):
    assert complete_supernet_identity(KEPT[name]["identity"]) == supernet_identity(config(name))
    checkpoint = tmp_path / "checkpoints" / "step_00000160"
    checkpoint.mkdir(parents=True)
    (checkpoint / "run.json").write_text(json.dumps(KEPT[name]))
    check_same_supernet(config(name), RunFolder(tmp_path))
    with pytest.raises(ConfigError, match=r"other values of training\.lr, .* leave them out here, or train anew"):
        check_same_supernet(config(name, RunConfig, "training.lr=0.123"), RunFolder(tmp_path))


def test_a_network_run_of_version_0_1_resumes():
    kept = KEPT["configs/distill/digits.yaml"]["identity"]
    today = network_identity(config("configs/distill/digits.yaml", NetworkRunConfig))
    today["teacher"]["sha256"] = "0" * 64
    assert complete_network_identity(kept) == today


def test_study_folders_keep_their_names():
    names = {"configs/digits.yaml": "c4cc7424b37c8655", "configs/us_mobilenet_v2_digits.yaml": "87278611d975985e"}
    assert {name: json_digest(supernet_identity(config(name)), 16) for name in names} == names
    network = network_identity(config("configs/distill/digits.yaml", NetworkRunConfig))
    assert json_digest(network, 16) == "5ca00d2284d08836"


@pytest.mark.parametrize(
    "override",
    ["output=y", "training.save_every=7", "training.tracker=tensorboard", "data.workers=3", "data.root=/z",
     "training.mixed_precision=no", "search.num_rounds=3", "evaluation.batch_size=8", "publish.tag=t"],
)  # fmt: skip
def test_free_keys_are_no_part_of_it(override):
    assert identity(config("configs/digits.yaml", RunConfig, override)) == identity(config("configs/digits.yaml"))


@pytest.mark.parametrize(
    "override", ["seed=1", "training.lr=0.5", "training.mixed_precision=bf16", "kd.clip=4", "data.image_size=40"]
)
def test_what_decides_weights_is(override):
    assert identity(config("configs/digits.yaml", RunConfig, override)) != identity(config("configs/digits.yaml"))


def test_a_transfer_may_go_on_with_other_trials():
    values = {"output": "x", "model": {"name": "resnet18"}}
    more = {**values, "search": {"trials": 99, "concurrency": 2}, "training": {"lr": 0.1, "weight_decay": 0.0}}
    assert identity(from_dict(FinetuneConfig, values)) == identity(from_dict(FinetuneConfig, more))
    other = {**values, "training": {"epochs": 3}}
    assert identity(from_dict(FinetuneConfig, values)) != identity(from_dict(FinetuneConfig, other))


@pytest.mark.parametrize(
    "space",
    [
        {"name": "us_mobilenet_v2", "resolutions": [16], "choices": {"width": [0.5, 0.75]}},
        {"name": "attentive_nas", "resolutions": [16], "choices": {"mb1.width": 16, "head.width": [1984]}},
        {"name": "ofa_mbv3", "follow": {"expand_ratio": {"depth": [[2, 3], [3, 4], [4, 6]]}}},
    ],
)
def test_a_run_of_a_subspace_resumes(space, tmp_path):
    run = from_dict(RunConfig, {"output": "x", "space": space})
    values = json.loads(json.dumps(supernet_identity(run)))
    assert complete_supernet_identity(values) == supernet_identity(run)
    checkpoint = tmp_path / "checkpoints" / "step_00000160"
    checkpoint.mkdir(parents=True)
    (checkpoint / "run.json").write_text(json.dumps({**KEPT["configs/digits.yaml"], "identity": values}))
    check_same_supernet(run, RunFolder(tmp_path))
    whole = from_dict(RunConfig, {"output": "x", "space": {key: space[key] for key in space if key == "name"}})
    with pytest.raises(ConfigError, match=r"other values of space\."):
        check_same_supernet(whole, RunFolder(tmp_path))


def test_a_section_without_a_value_is_no_part_of_it():
    assert "supernet" not in identity(config("configs/digits.yaml"))
    transformed = identity(config("configs/digits.yaml", RunConfig, "supernet.kernel_transform=true"))
    assert transformed["supernet"] == {"kernel_transform": True}
