"""Networks of one input channel: trained, searched, published and used on grey images (`data.in_chans: 1`)."""

import json
from dataclasses import replace

import networks
import numpy as np
import pytest
import timm
import torch
from phased_run import TABLE
from PIL import Image
from torch.utils.data import Subset

from alphanet_plugin import get_space, runs
from alphanet_plugin.cli.main import main
from alphanet_plugin.config import FinetuneConfig, NetworkRunConfig, RunConfig, from_dict
from alphanet_plugin.data import Preparation, build_splits, evaluation_source, preparation_of, test_digit
from alphanet_plugin.errors import ConfigError, SearchError
from alphanet_plugin.evaluation import LatencyTable, TableConditions, count_operations
from alphanet_plugin.models import build_static
from alphanet_plugin.supernet import build_supernet
from alphanet_plugin.weights import load_supernet, save_supernet

SPACES = {
    "mobile": {"table": TABLE},
    "slimmable": {"name": "us_mobilenet_v1", "resolutions": [16, 24], "choices": {"width": [0.25, 0.3]}},
}


def config(output, space="mobile", **sections):
    values = {
        "output": str(output),
        "space": SPACES[space],
        "data": {"image_size": 24, "in_chans": 1},
        "kd": {"name": "kl"},
        "training": {"epochs": 1, "batch_size": 4, "warmup_epochs": 0},
        "evaluation": {"calibration_batches": 1, "search_calibration_batches": 1},
        "search": {"num_random": 2, "num_rounds": 1},
        **sections,
    }
    return from_dict(RunConfig, values)


def train(config):
    """On eight images."""
    splits = runs.build_data(config)
    run = runs.SupernetRun(config, replace(splits, train=Subset(splits.train, range(8))))
    run.train()
    return run


@pytest.fixture(scope="module", params=["mobile", pytest.param("slimmable", marks=pytest.mark.slow)])
def published(request, tmp_path_factory):
    """(the store, the run's folder, names of its models): trained, searched and published on grey digits."""
    folder, home = tmp_path_factory.mktemp("grey"), tmp_path_factory.mktemp("home")
    train(config(folder, request.param))
    patch = pytest.MonkeyPatch()
    patch.setenv("ALPHANET_HOME", str(home))
    assert main(["search", str(folder)]) == 0
    trained = runs.open_run(folder, ["publish.tag=grey", "publish.front=1", "publish.presets=[]"])
    names = [one.name for one in runs.publish_run(trained, runs.to_publish(trained))]
    patch.undo()
    return home, folder, names


@pytest.fixture
def name(published, monkeypatch):
    monkeypatch.setenv("ALPHANET_HOME", str(published[0]))
    return published[2][0]


def test_timm_loads_what_was_published(name):
    model = timm.create_model(name, pretrained=True)
    assert model.in_chans == 1
    assert model.conv_stem.weight.shape[1] == 1
    cfg = timm.data.resolve_model_data_config(model)
    assert cfg["input_size"][0] == len(cfg["mean"]) == len(cfg["std"]) == 1
    assert cfg["mean"] == pytest.approx((0.305,))
    assert timm.create_model(name, pretrained=True, in_chans=3).conv_stem.weight.shape[1] == 3  # as timm fits it


def test_its_config_and_card_count_one_channel(name, published):
    written = json.loads((published[0] / "models" / name / "config.json").read_text())
    assert written["model_args"]["in_chans"] == 1
    assert "in_chans" not in written["model_args"].get("space", {})
    model = timm.create_model(name, pretrained=True)
    size = model.pretrained_cfg["input_size"]
    counted, trained = count_operations(model, size), runs.open_run(published[1])
    assert counted.multiply_adds == round(trained.mflops(trained.space.validate(model.arch)) * 1e6)
    assert counted.params == trained.params(model.arch)


def test_it_is_evaluated_and_predicts(name, tmp_path, capsys):
    assert main(["evaluate", name, "--data", "digits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["preparation"]["input_size"][0] == 1
    pictures = {"grey.png": test_digit(0)[0].convert("L"), "rgb.png": test_digit(0)[0]}
    for file, picture in pictures.items():
        picture.save(tmp_path / file)
    assert main(["predict", name, *(str(tmp_path / file) for file in pictures), "--json"]) == 0
    grey, rgb = (json.loads(line)["classes"] for line in capsys.readouterr().out.splitlines())
    assert grey == rgb


@pytest.mark.slow
def test_it_is_exported(name, tmp_path, capsys):
    assert main(["export", name, "--output", str(tmp_path / "model.pt2"), "--format", "pt2", "--fuse"]) == 0
    assert "images (batch, 1," in capsys.readouterr().out


def test_the_run_is_told_apart_and_goes_on(published):
    _, folder, _ = published
    kept = runs.read_config(folder / "config.yaml")
    assert runs.build_space(kept).in_chans == kept.data.in_chans == 1
    with pytest.raises(ConfigError, match=r"holds a run with other values of data\.in_chans;"):
        runs.SupernetRun(replace(kept, data=replace(kept.data, in_chans=3))).trainer  # noqa: B018


def test_three_channels_are_in_no_identity(tmp_path):
    usual = config(tmp_path, data={"image_size": 24})
    assert usual.data.in_chans == 3
    assert "in_chans" not in json.dumps(runs.supernet_identity(usual))
    assert "in_chans" not in runs.build_space(usual).to_config()


@pytest.mark.parametrize("space", ["attentive_nas", "ofa_mbv3", "us_mobilenet_v2"])
def test_costs_are_those_of_the_network(space):
    space = get_space(space, resolutions=(32,), in_chans=1)
    assert get_space(**space.to_config()).in_chans == 1
    arch = space.smallest()
    counted = count_operations(build_static(space, arch, num_classes=10), (1, 32, 32))
    assert counted.multiply_adds == space.cost(arch, 10).macs
    assert counted.params == space.params(arch, 10, idle_shortcuts=False)
    batch = space.cost_batch(space.values_batch([arch]), 10)
    assert tuple(batch[:, 0]) == space.cost(arch, 10)
    assert space.cost(arch, 10).macs < get_space(space.name, resolutions=(32,)).cost(arch, 10).macs


def test_a_supernet_is_kept_with_its_channels(tmp_path):
    supernet = build_supernet(get_space(table=TABLE), num_classes=4, in_chans=1)
    assert supernet.space.in_chans == 1
    loaded = load_supernet(save_supernet(supernet, tmp_path / "net", {}))
    assert loaded(torch.zeros(2, 1, 24, 24)).shape == (2, 4)
    assert loaded.extract(loaded.space.smallest())(torch.zeros(2, 1, 16, 16)).shape == (2, 4)


def test_latency_is_of_one_channel():
    space = get_space(table=TABLE, in_chans=1)
    table = LatencyTable(None, TableConditions.here("cpu", 1, 10), space)
    assert table.latency_ms(space.smallest()) > 0


def test_a_table_is_not_checked_on_a_range_without_subnets():
    space = get_space(**SPACES["slimmable"])
    table = LatencyTable(None, TableConditions.here("cpu", 1, 10), space)
    least = space.mflops(space.smallest(), 10)
    with pytest.raises(
        SearchError, match=r"found to check the table on; widen search\.min_mflops to search\.max_mflops"
    ):
        runs.check_latency_table(table, space, least + 1e-6, least + 2e-6, 3)


@pytest.mark.parametrize("augment", [True, "crop", "rand-m9-mstd0.5", False])
def test_grey_images_of_a_folder(make_images, augment):
    """Colour is made grey as Pillow does it, before whatever augments."""
    splits = build_splits("folder", make_images, image_size=16, in_chans=1, augment=augment)
    assert (splits.in_chans, splits.data_config["input_size"]) == (1, (1, 16, 16))
    assert splits.mean == pytest.approx((0.449,), abs=1e-3)
    assert all(splits.train[place][0].shape == (1, 16, 16) for place in range(len(splits.train)))
    image = splits.test[0][0] * splits.std[0] + splits.mean[0]
    expected = np.asarray(splits.test.source.image(0).convert("L"))[0, 0] / 255
    assert image[0, 0, 0].item() == pytest.approx(expected, abs=1e-6)


@pytest.fixture
def make_images(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for label, colour in enumerate(((200, 30, 30), (30, 200, 90))):
            (tmp_path / part / str(label)).mkdir(parents=True)
            for number in range(10):
                pixels = np.clip(np.asarray(colour) + rng.integers(0, 20), 0, 255).astype(np.uint8)
                Image.fromarray(np.broadcast_to(pixels, (24, 24, 3)).copy()).save(
                    tmp_path / part / str(label) / f"{number}.png"
                )
    return tmp_path


def network_config(output, **sections):
    values = {
        "output": str(output),
        "model": {"name": "test_resnet"},
        "data": {"image_size": 32, "in_chans": 1},
        "training": {"epochs": 1, "batch_size": 8, "warmup_epochs": 0},
        **sections,
    }
    return from_dict(NetworkRunConfig, values)


def test_one_network_learns_of_a_grey_teacher(tmp_path):
    networks.finish(network_config(tmp_path / "teacher"))
    networks.finish(network_config(tmp_path / "student", teacher={"name": str(tmp_path / "teacher/model")}))
    student = timm.create_model(f"local-dir:{tmp_path / 'student/model'}", pretrained=True)
    assert student.in_chans == 1
    assert preparation_of(student).input_size == (1, 32, 32)
    image = preparation_of(student).transform()(evaluation_source("digits").image(0))
    assert image.shape == (1, 32, 32)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"teacher": {"name": "COLOUR"}}, r"teacher.name: .* takes images of 3 channels and data.in_chans is 1"),
        ({"model": {"name": "COLOUR", "pretrained": True, "options": {"in_chans": 3}}},
         r"model.name: .* takes images of 3 channels and data.in_chans is 1"),
        ({"data": {"image_size": 32, "in_chans": 3}, "model": {"name": "GREY", "pretrained": True}},
         r"model.name: .* takes images of 1 channel and data.in_chans is 3"),
    ],
)  # fmt: skip
def test_a_network_of_other_channels_is_refused(tmp_path, sections, message):
    for name, in_chans in (("COLOUR", 3), ("GREY", 1)):
        model = timm.create_model("test_resnet", num_classes=10, in_chans=in_chans)
        timm.models._hub.save_for_hf(model, tmp_path / name, safe_serialization=True)
    text = json.dumps(sections).replace("COLOUR", str(tmp_path / "COLOUR")).replace("GREY", str(tmp_path / "GREY"))
    with pytest.raises(ConfigError, match=message):
        runs.NetworkRun(network_config(tmp_path / "run", **json.loads(text))).trainer  # noqa: B018


def test_a_teacher_of_rgb_can_be_fitted_to_grey(tmp_path):
    """timm sums its first convolution; its mean and deviation are those of its three channels together."""
    colour = timm.create_model("test_resnet", num_classes=10)
    timm.models._hub.save_for_hf(colour, tmp_path / "colour", safe_serialization=True)
    teacher = {"name": str(tmp_path / "colour"), "options": {"in_chans": 1}, "image_size": 32}
    run = runs.NetworkRun(network_config(tmp_path / "run", teacher=teacher))
    images = torch.randn(2, 1, 32, 32)
    expected = run.teacher.expected
    assert len(expected.mean) == 1
    pixels = images * run.splits.std[0] + run.splits.mean[0]
    of_three = ((pixels - expected.mean[0]) / expected.std[0]).expand(-1, 3, -1, -1)
    torch.testing.assert_close(run.teacher(images), colour.eval()(of_three), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("asked", "mean"), [(None, (0.4, 0.5, 0.6)), (1, (0.5,))])
def test_a_transfer_is_of_the_networks_channels_or_of_those_asked(tmp_path, asked, mean):
    form = Preparation(input_size=(3, 24, 24), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    values = {"output": str(tmp_path), "model": {"name": "test_resnet"}, "data": {"in_chans": asked}}
    data = runs.network_run_of(from_dict(FinetuneConfig, values), form, tmp_path, 0.1, 0.0, hold_out=True).data
    assert data.in_chans == len(mean)
    assert data.mean == pytest.approx(mean)


def test_a_phases_teacher_of_other_channels_is_refused(tmp_path):
    colour = timm.create_model("test_resnet", num_classes=10)
    timm.models._hub.save_for_hf(colour, tmp_path / "colour", safe_serialization=True)
    phases = [{"name": "shrink", "teacher": str(tmp_path / "colour")}]
    with pytest.raises(ConfigError, match=r"phases\.shrink\.teacher\.name: .* 3 channels and data\.in_chans is 1"):
        train(config(tmp_path / "run", phases=phases))


@pytest.mark.parametrize("wrong", [0, 2, 4])
def test_images_have_one_channel_or_three(tmp_path, wrong):
    with pytest.raises(ConfigError, match=f"in_chans must be 3 .RGB. or 1 .grey., not {wrong}"):
        config(tmp_path, data={"in_chans": wrong})
