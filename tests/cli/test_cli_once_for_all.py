"""A once-for-all space, made smaller by --set, on the whole path: train, search, publish, load with timm."""

import json

import pytest
import timm
import torch
from safetensors.torch import load_file

from alphanet_plugin.cli.main import main
from alphanet_plugin.config import RunConfig, from_dict, read_config
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.evaluation import recalibrate_bn
from alphanet_plugin.runs import build_model, open_run, to_publish
from alphanet_plugin.runs.trained_run import Deployment
from alphanet_plugin.shipped import shipped
from alphanet_plugin.store import list_published, read_published

SMALL = [
    "space.resolutions=[16]", "data.image_size=16", "data.search_count=1300", "training.epochs=1",
    "training.warmup_epochs=0", "training.batch_size=64", "evaluation.calibration_batches=2",
    "evaluation.search_calibration_batches=1", "evaluation.batch_size=64", "search.num_random=2",
    "search.num_parents=2", "search.num_crossovers=1", "search.num_mutations=1", "search.num_rounds=2",
    "publish.presets=[d2e3]", "publish.front=1", "data.augment=false", "space.choices.depth=[2,3]",
    "space.choices.expand_ratio=[3,4]",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ofa") / "run"
    overrides = [part for setting in [f"output={folder}", *SMALL] for part in ("--set", setting)]
    main(["train", "--config", "configs/ofa_digits.yaml", *overrides])
    return folder


def test_each_step_trains_matrices_too(run):
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert len(records) == 137 // 64
    assert all(record["loss"] > 0 and record["kd_loss"] >= 0 for record in records)
    main(["train", "--config", str(run / "config.yaml")])  # a finished run is taken up as it is
    assert len((run / "log.jsonl").read_text().splitlines()) == len(records)
    state = open_run(run).supernet.state_dict()
    matrices = {name: tensor for name, tensor in state.items() if name.endswith("_matrix")}
    assert len(matrices) == 2 * 15  # 7 to 5 and 5 to 3 in every block of five stages
    assert any(not torch.equal(tensor, torch.eye(len(tensor))) for tensor in matrices.values())


def test_search_publish_and_load_with_timm(run):
    main(["search", str(run)])
    main(["publish", str(run)])
    trained = open_run(run)
    chosen = to_publish(trained)
    assert chosen["ofa_mbv3_subnet.ofa_digits_d2e3"].depth == (2, 2, 2, 2, 2)
    published = {entry.name: entry for entry in list_published() if entry.name in chosen}
    assert published.keys() == chosen.keys()
    assert len(published) == 2
    for name, arch in chosen.items():
        model_args = published[name].config["model_args"]
        assert model_args["space"] == {"name": "ofa_mbv3_cifar", "resolutions": [16]}
        model = timm.create_model(name, pretrained=True).eval()
        assert (model.arch, model.num_classes, model.resize_input) == (arch, 10, False)
        # strides of the small images, statistics by once-for-all's rule, kernels with their transform folded in
        assert model.conv_stem.stride == (1, 1)
        batches = Deployment(trained, 16).evaluator.calibration_batches
        expected = trained.supernet.extract(arch).to(memory_format=torch.channels_last)
        expected = recalibrate_bn(expected, batches, rule="weighted").eval()
        for key, tensor in expected.state_dict().items():
            torch.testing.assert_close(model.state_dict()[key], tensor, rtol=1e-3, atol=1e-5)
        with torch.no_grad():
            assert model(torch.zeros(1, 3, 16, 16)).isfinite().all()


def test_a_card_tells_of_once_for_all(run):
    main(["publish", str(run), "--arch", "d2e3"])
    entry = next(entry for entry in list_published() if entry.name == "ofa_mbv3_subnet.ofa_digits_d2e3")
    assert "one network of a once-for-all search space" in (entry.folder / "README.md").read_text()
    assert read_published(entry.folder).config["model_args"]["arch"]["kernel_size"][:2] == [7, 7]
    assert not any(name.endswith("_matrix") for name in load_file(entry.folder / "model.safetensors"))


def test_options_of_the_supernet_are_reachable(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text((shipped("configs") / "ofa_digits.yaml").read_text())
    settings = ["supernet.zero_init_last=true", "space.resolutions=[16]"]
    net = build_model(read_config(RunConfig, path, settings), 10)
    assert not net.blocks[1][1].bn3.weight.any()
    # normal with the standard deviation sqrt(2 / (k * k * output channels))
    weight = net.conv_expand.weight
    assert weight.std().item() == pytest.approx((2 / len(weight)) ** 0.5, rel=0.02)
    plain = build_model(from_dict(RunConfig, {"output": "x", "space": {"name": "ofa_mbv3_cifar"}}), 10)
    assert plain.blocks[1][1].bn3.weight.all()
    assert not any(name.endswith("_matrix") for name in plain.state_dict())


def test_a_supernet_without_the_option_says_so():
    config = from_dict(
        RunConfig, {"output": "x", "space": {"name": "us_mobilenet_v2"}, "supernet": {"kernel_transform": True}}
    )
    with pytest.raises(ConfigError, match="supernet: kernel_transform is no option of the supernet of us_mobile"):
        build_model(config, 10)
