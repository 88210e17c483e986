"""The shipped runs that train one network."""

import pytest
import timm

import alphanet_plugin  # noqa: F401
from alphanet_plugin.config import (
    AdaptiveAlphaConfig,
    NetworkRunConfig,
    NoKDConfig,
    from_dict,
    read_config,
    to_yaml,
)
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.shipped import shipped

SHIPPED = sorted(shipped("configs/distill").glob("*.yaml"))
TABLES = [path for path in SHIPPED if path.stem.startswith("table")]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_runs_are_read_written_back_and_name_what_timm_has(path, tmp_path):
    config = read_config(NetworkRunConfig, path)
    again = tmp_path / "again.yaml"
    again.write_text(to_yaml(config))
    assert read_config(NetworkRunConfig, again) == config
    assert config.output == f"runs/distill/{path.stem}"
    student = timm.create_model(config.model.name, num_classes=10, device="meta")
    assert student.num_classes == 10
    if path in TABLES:
        assert config.teacher.name in timm.list_models(f"{config.teacher.name.partition('.')[0]}.*", pretrained=True)


def test_every_pair_of_the_tables_is_there():
    configs = {path.stem: read_config(NetworkRunConfig, path) for path in TABLES}
    pairs = {name: (config.teacher.name.partition(".")[0], config.training.epochs) for name, config in configs.items()}
    assert pairs == {
        "table5_mobilenetv3_large_075": ("mobilenetv3_large_100", 360),
        "table5_mobilenetv3_large_050": ("mobilenetv3_large_100", 360),
        "table6_shufflenetv2_x0_5": ("mobilenetv1_100", 120),
        "table6_shufflenetv2_x1_0": ("mobilenetv1_100", 120),
        "table6_mobilenetv2_025": ("mobilenetv2_100", 120),
        "table6_mobilenetv2_050": ("mobilenetv2_100", 120),
        "table6_deit_tiny": ("regnety_160", 300),
    }
    for config in configs.values():
        assert config.teacher.weight == 0.9
        assert config.kd == AdaptiveAlphaConfig(alpha_min=-1.0, alpha_max=1.0, clip=5.0)
        assert config.data.search_count == 0


def test_deit_tiny_is_deits_recipe():
    config = read_config(NetworkRunConfig, shipped("configs/distill/table6_deit_tiny.yaml"))
    training = config.training
    assert (training.optimizer, training.lr * 2, training.weight_decay) == ("adamw", 5e-4, 0.05)
    assert (training.epochs, training.warmup_epochs, training.label_smoothing) == (300, 5, 0.1)
    assert (training.mixup, training.cutmix, training.erasing, training.repeats) == (0.8, 1.0, 0.25, 3)
    assert (config.data.augment, config.model.drop_path_rate) == ("rand-m9-mstd0.5-inc1", 0.1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "model is missing"),
        ({"model": {"nam": "x"}}, r"model\.nam is no key; did you mean 'name'"),
        ({"model": {"name": "x", "options": 3}}, r"model\.options holds keys and values, not 3"),
        ({"kd": {"name": "kl"}}, r"kd\.name kl learns from a teacher; give teacher\.name"),
        ({"teacher": {"name": "t", "pretrained": False}}, "a teacher needs trained weights"),
        ({"teacher": {"name": "t", "weight": 1.5}}, "weight must be from 0 to 1, not 1.5"),
        ({"teacher": {"name": "t", "views": 0}}, "views must be at least 1"),
        (
            {"teacher": {"name": "t", "views": 2}, "training": {"mixup": 0.2}},
            "teacher.views keeps .* give one",
        ),
        ({"training": {"cutmix": 1.0, "batch_size": 9}}, "batch_size must be even with mixup or cutmix, not 9"),
        ({"training": {"final_lr": 1.0}}, r"final_lr must be from 0 to lr \(0\.1\)"),
        ({"training": {"clip_value": -1}}, "clip_value must be above 0"),
        ({"training": {"erasing": 2}}, "erasing must be from 0 to 1"),
    ],
    ids=str,
)
def test_errors_name_the_key(values, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(NetworkRunConfig, {"output": "x", **({"model": {"name": "y"}} if values else {}), **values})


def test_without_a_kd_section_a_teacher_means_the_papers_loss():
    student = {"output": "x", "model": {"name": "y"}}
    assert from_dict(NetworkRunConfig, student).distillation == NoKDConfig()
    assert from_dict(NetworkRunConfig, {**student, "teacher": {"name": "t"}}).distillation == AdaptiveAlphaConfig()
    assert not from_dict(NetworkRunConfig, {**student, "teacher": {"name": "t"}, "kd": {"name": "none"}}).distils
