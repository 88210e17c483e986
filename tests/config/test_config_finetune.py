"""configs/finetune: the recipe of section 4.3, and what a transfer's file may say."""

import pytest

from alphanet_plugin.config import FinetuneConfig, from_dict, read_config, to_yaml
from alphanet_plugin.data.torchvision_sets import TORCHVISION_SETS
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.shipped import shipped

FOLDER = shipped("configs/finetune")
FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))
TRANSFERS = ["aircraft.yaml", "cars.yaml", "flowers.yaml", "food101.yaml", "pets.yaml"]


def test_the_files_are_these():
    assert sorted({*TRANSFERS, "digits.yaml", "folder.yaml"}) == FILES


@pytest.mark.parametrize("name", FILES)
def test_files_are_read_and_written_back(name, tmp_path):
    config = read_config(FinetuneConfig, FOLDER / name)
    (tmp_path / "again.yaml").write_text(to_yaml(config))
    assert read_config(FinetuneConfig, tmp_path / "again.yaml") == config


@pytest.mark.parametrize("name", [*TRANSFERS, "folder.yaml"])
def test_the_recipe_is_section_4_3s(name):
    config = read_config(FinetuneConfig, FOLDER / name)
    training = config.training
    assert (training.optimizer, training.momentum, training.label_smoothing) == ("sgd", 0.9, 0.1)
    assert (training.epochs, training.batch_size, config.model.drop_rate) == (150, 64, 0.5)
    assert (training.lr, training.weight_decay) == (None, None)  # searched
    assert config.data.hold_out == 0.2
    # what the file does not say is the same by default
    assert from_dict(FinetuneConfig, {"output": "x", "model": {"name": "y"}}).training == training


def test_every_transfer_has_its_data_set():
    names = {read_config(FinetuneConfig, FOLDER / name).data.name for name in TRANSFERS}
    assert names == set(TORCHVISION_SETS)


def test_one_rate_and_decay_of_a_training():
    training = from_dict(FinetuneConfig, {"output": "x", "model": {"name": "y"}}).training.at(0.02, 1e-4)
    assert (training.lr, training.weight_decay, training.epochs, training.final_lr) == (0.02, 1e-4, 150, 0.0)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("training", {"lr": 0.1}, "training: give both lr and weight_decay"),
        ("training", {"epochs": 0}, r"training\.epochs must be at least 1"),
        ("training", {"momentum": 1.5}, r"training\.momentum must be"),
        ("search", {"lr": [0.1, 0.01]}, r"search\.lr takes two numbers"),
        ("search", {"weight_decay": [1e-5]}, r"search\.weight_decay takes two numbers"),
        ("search", {"trial": 3}, "did you mean 'trials'"),
        ("search", {"tuner": "tpe"}, "'TPE', 'Random'"),
        ("data", {"hold_out": 1.0}, r"data\.hold_out must lie between"),
        ("data", {"image_size": 4}, "at least 8 pixels"),
    ],
)
def test_what_cannot_be_is_refused(section, values, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(FinetuneConfig, {"output": "x", "model": {"name": "y"}, section: values})
