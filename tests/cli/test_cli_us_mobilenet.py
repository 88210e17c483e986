"""A slimmable network on the whole path in small: train, evaluate, search, publish, load with timm."""

import json

import pytest
import timm
import torch

from alphanet_plugin.cli.main import main
from alphanet_plugin.config import RunConfig, read_config
from alphanet_plugin.runs import build_space, open_run, run_folder, to_publish
from alphanet_plugin.shipped import shipped
from alphanet_plugin.store import list_published

SMALL = [
    "space.resolutions=[16]", "data.image_size=16", "data.search_count=1300", "training.epochs=1",
    "training.warmup_epochs=0", "training.batch_size=64", "evaluation.calibration_batches=1",
    "evaluation.search_calibration_batches=1", "evaluation.batch_size=64", "search.num_random=2",
    "search.num_parents=2", "search.num_crossovers=1", "search.num_mutations=1", "search.num_rounds=1",
    "publish.presets=[0.50x]", "publish.front=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("us") / "run"
    overrides = [part for setting in [f"output={folder}", *SMALL] for part in ("--set", setting)]
    main(["train", "--config", "configs/us_mobilenet_v2_digits.yaml", *overrides])
    return folder


def test_training_logs_each_step(run):
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert len(records) == 137 // 64
    assert all(record["loss"] > 0 and record["kd_loss"] >= 0 for record in records)
    main(["train", "--config", str(run / "config.yaml")])  # a finished run is taken up as it is
    assert len((run / "log.jsonl").read_text().splitlines()) == len(records)


@pytest.mark.parametrize("arch", [pytest.param("0.50x", marks=pytest.mark.slow), "resolution=16 width=0.41"])
def test_evaluate_and_profile(run, arch, capsys):
    main(["evaluate", str(run), "--arch", arch])
    assert "top1" in capsys.readouterr().out
    main(["profile", arch, "--space", "us_mobilenet_v2", "--resolutions", "16", "--classes", "10", "--latency"])
    out = capsys.readouterr().out
    assert "MFLOPs" in out
    assert "published" not in out


def test_search_publish_and_load_with_timm(run, capsys):
    main(["search", str(run)])
    assert (run / run_folder.RunFolder(run).picture.name).is_file()
    chosen = to_publish(open_run(run))
    assert chosen["us_mobilenet_v2.digits_0p50x"].width == 0.5
    main(["publish", str(run)])
    names = {entry.name for entry in list_published()}
    assert names == set(chosen)
    card = (list_published()[0].folder / "README.md").read_text()
    assert "one width of a universally slimmable MobileNet" in card
    assert "yu2019universally" in card
    assert "The first two agree" in card
    for name, arch in chosen.items():
        model = timm.create_model(name, pretrained=True).eval()
        assert (model.arch, model.num_classes) == (arch, 10)
        assert model.pretrained_cfg["input_size"] == (3, 16, 16)
        with torch.no_grad():
            assert model(torch.zeros(1, 3, 16, 16)).isfinite().all()
    name = "us_mobilenet_v2.digits_0p50x"
    assert timm.create_model(name, pretrained=True, width=0.5).arch.width == 0.5
    with pytest.raises(ValueError, match=r"digits_0p50x has width 0\.5, not 0\.75; leave width out"):
        timm.create_model(name, pretrained=True, width=0.75)
    capsys.readouterr()
    main(["evaluate", name, "--data", "digits"])
    assert "top1" in capsys.readouterr().out
    again = timm.create_model(name, pretrained=True, num_classes=3)
    assert again(torch.zeros(2, 3, 16, 16)).shape == (2, 3)


def test_default_presets_are_the_spaces(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("output: x\nspace: {name: us_mobilenet_v1}\n")
    config = read_config(RunConfig, path)
    assert config.publish.presets is None
    assert build_space(config).resolutions == (224,)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_papers_recipe(version):
    config = read_config(RunConfig, shipped(f"configs/us_mobilenet_{version}.yaml"))
    training = config.training
    assert (training.epochs, training.batch_size * 16, training.lr * 2048 / 256) == (360, 2048, 0.8)
    assert (training.momentum, training.weight_decay, training.drop_rate) == (0.9, 1e-5, 0.2)
    assert (config.sampler.num_random, config.kd.alpha_min, config.kd.alpha_max, config.kd.clip) == (2, -1.0, 1.0, 5.0)
    assert config.publish.presets == tuple(build_space(config).presets)
