"""Which weights a training began from is kept, told on the card, and asked about where it would be a surprise."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import timm
from networks import config, few

from alphanet_plugin import runs, store
from alphanet_plugin.config import NetworkConfig
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.models import alphanet_subnet
from alphanet_plugin.runs.start import check_start, kept_start, start_of_network
from alphanet_plugin.spaces import get_space
from alphanet_plugin.weights import Publication, publish

SPACE = get_space("attentive_nas", resolutions=(32,))
ARCH = SPACE.smallest()
DATA_CONFIG = {"input_size": (3, 32, 32), "mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bicubic",
               "crop_pct": 1.0}  # fmt: skip


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    publication = Publication(
        architecture="alphanet_subnet", tag="digits", arch=ARCH, data_config=DATA_CONFIG,
        class_names=list("0123456789"), metrics={}, mflops=1.0, params=1, dataset="digits",
    )  # fmt: skip
    model = alphanet_subnet(arch=ARCH, num_classes=10).eval()
    return publish(model, publication, tmp_path_factory.mktemp("published") / "alphanet_subnet.digits")


@pytest.fixture
def store_model(published):
    """Puts the model into the store, as if it had been trained on those images."""

    def put(tag="digits", dataset="digits", class_names=tuple("0123456789")):
        folder = store.model_folder("alphanet_subnet", tag)
        shutil.copytree(published, folder)
        config = json.loads((folder / "config.json").read_text())
        del config["config_sha256"]
        config["training"]["dataset"], config["label_names"] = dataset, list(class_names)
        config["num_classes"] = config["pretrained_cfg"]["num_classes"] = len(class_names)
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return put


@pytest.fixture(scope="module")
def photos():
    """Digits that say they are photographs of two kinds of cats."""
    digits = few(config("unused"))
    return dataclasses.replace(digits, name="torch/cats", class_names=("tabby", "calico"), image_size=224)


def start_of(network):
    return start_of_network(network, runs.create_network(network, num_classes=5))


def test_the_card_names_the_folder_and_its_images(teacher, tmp_path):
    first = config(tmp_path / "run")
    run = dataclasses.replace(first, model=NetworkConfig(name=teacher[0], pretrained=True))
    training = runs.NetworkRun(run, few(run))
    assert training.trainer is not None
    told = f"{teacher[0]} (digits, 10 classes, images of 32 pixels)"
    assert kept_start(training.folder) == told
    training.finish()
    assert f"| training began from | {told} |" in (training.folder.model / "README.md").read_text()
    assert store.read_published(training.folder.model).config["training"]["start"] == told


def test_random_weights_have_no_start(teacher):
    assert not (Path(teacher[0]).parent / "start.txt").exists()
    assert "training began from" not in (Path(teacher[0]) / "README.md").read_text()


def test_a_plain_name_does_not_take_weights_for_other_images(store_model, photos, caplog):
    store_model()
    plain = NetworkConfig(name="alphanet_subnet", pretrained=True)
    start = start_of(plain)
    assert start.trained_on == "digits, 10 classes, images of 32 pixels"
    with pytest.raises(ConfigError, match=r"alone means alphanet_subnet\.digits here \(digits, 10 classes.*torch/cats "
                       r"\(2 classes, images of 224 pixels\); name the tag .*\(alphanet_subnet\.digits\)"):  # fmt: skip
        check_start(plain, start, photos)
    tagged = NetworkConfig(name="alphanet_subnet.digits", pretrained=True)
    caplog.clear()
    check_start(tagged, start_of(tagged), photos)
    assert "other images than those of torch/cats" in caplog.text
    by_tag = NetworkConfig(name="alphanet_subnet", pretrained="digits")
    check_start(by_tag, start_of(by_tag), photos)


def test_a_plain_name_takes_weights_for_the_same_images_and_imagenets(store_model, photos, caplog):
    plain = NetworkConfig(name="alphanet_subnet", pretrained=True)
    folder = store_model()
    caplog.clear()
    check_start(plain, start_of(plain), few(config("unused")))
    shutil.rmtree(folder)
    store_model("fb_in1k", "imagenet-1k", [f"n{number:08d}" for number in range(1000)])
    check_start(plain, start_of(plain), photos)
    assert "other images" not in caplog.text


def test_the_same_name_of_a_data_set_with_other_classes_is_another(store_model, photos):
    store_model("cats", "folder", ("tabby", "siamese"))
    start = start_of(NetworkConfig(name="alphanet_subnet.cats", pretrained=True))
    assert start.is_of_another_kind(dataclasses.replace(photos, name="folder"))
    same = dataclasses.replace(photos, name="folder", class_names=("tabby", "siamese"))
    assert not start.is_of_another_kind(same)


def test_a_run_that_goes_on_keeps_the_start_that_it_had(store_model, tmp_path):
    store_model()
    run = config(tmp_path / "run", model="alphanet_subnet", training={"epochs": 1})
    run = dataclasses.replace(run, model=NetworkConfig(name="alphanet_subnet", pretrained=True))
    training = runs.NetworkRun(run, few(run))
    training.train()
    store_model("newer")
    again = runs.NetworkRun(run, few(run))
    assert again.trainer is not None
    assert kept_start(again.folder).startswith("alphanet_subnet.digits (")
    on = dataclasses.replace(run, output=str(tmp_path / "on"))
    other = runs.NetworkRun(on, few(on), resume_from=run.output)
    assert other.trainer is not None
    assert kept_start(other.folder) == kept_start(again.folder)


def test_a_transfer_asks_before_anything_is_begun(store_model, tmp_path, capsys):
    from PIL import Image

    from alphanet_plugin.cli.main import main

    store_model()
    for part, count in (("train", 10), ("val", 2)):
        for name in ("tabby", "calico"):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (32, 32)).save(tmp_path / "images" / part / name / f"{number}.png")
    command = ["finetune", "alphanet_subnet", "--data", "folder", "--root", str(tmp_path / "images"), "--output",
               str(tmp_path / "out")]  # fmt: skip
    assert main(command) == 2
    assert "alphanet_subnet alone means alphanet_subnet.digits here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_timm_network_without_weights_here_is_no_surprise(photos):
    model = timm.create_model("test_resnet", num_classes=2)
    start = start_of_network(NetworkConfig(name="test_resnet", pretrained=True), model)
    assert not start.is_of_another_kind(photos)
    assert start.name == f"test_resnet.{model.pretrained_cfg['tag']}"
