"""Configurations: read, written back, and errors that name the key."""

import dataclasses

import pytest
import yaml

from alphanet_plugin.config import (
    AttentiveConfig,
    KLConfig,
    RunConfig,
    SandwichConfig,
    UniformConfig,
    differences,
    from_dict,
    read_config,
    to_dict,
    to_yaml,
)
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.shipped import shipped

SHIPPED = sorted(shipped("configs").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configurations_are_read_and_written_back(path, tmp_path):
    config = read_config(RunConfig, path)
    again = tmp_path / "again.yaml"
    again.write_text(to_yaml(config))
    assert read_config(RunConfig, again) == config


def test_imagenet_is_the_papers_recipe():
    config = read_config(RunConfig, shipped("configs/imagenet.yaml"))
    training = config.training
    assert (training.epochs, training.warmup_epochs, training.batch_size, training.lr) == (360, 5, 32, 0.1)
    assert (training.momentum, training.weight_decay, training.label_smoothing) == (0.9, 1e-5, 0.1)
    assert (training.drop_rate, training.drop_path_rate, training.clip_value) == (0.2, 0.2, 1.0)
    assert config.space.resolutions == (192, 224, 256, 288)
    assert (config.kd.alpha_min, config.kd.alpha_max, config.kd.clip) == (-1.0, 1.0, 5.0)
    search = config.search
    sizes = (search.num_random, search.num_parents, search.num_crossovers, search.num_mutations, search.num_rounds)
    assert sizes == (512, 128, 128, 128, 20)
    assert config.evaluation.calibration_batches * config.evaluation.batch_size == 64 * 256
    assert config.evaluation.search_calibration_batches * config.evaluation.batch_size == 32 * 256
    assert (config.data.image_size, config.data.augment) == (224, "v0")


def write(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("output: x\ntrainin: {}", "run.yaml: trainin is no key; did you mean 'training'"),
        ("output: x\ntraining: {epoch: 3}", r"training\.epoch is no key; did you mean 'epochs'"),
        ("output: x\ntraining: {epochs: many}", r"training\.epochs takes a whole number, not 'many'"),
        ("output: x\ntraining: {epochs: 2.5}", r"training\.epochs takes a whole number, not 2.5"),
        ("output: x\ntraining: {epochs: true}", r"training\.epochs takes a whole number, not True"),
        ("output: x\ntraining: {epochs: 0, warmup_epochs: 0}", r"training\.epochs must be at least 1, not 0"),
        ("output: x\ntraining: {lr: -1}", r"training\.lr must be above 0"),
        ("output: x\ntraining: {epochs: 3, warmup_epochs: 4}", r"warmup_epochs must be from 0 to epochs \(3\)"),
        ("output: x\ntraining: {mixed_precision: fp8}", r"mixed_precision must be one of 'no', 'bf16', 'fp16'"),
        ("output: x\ntraining: 3", "training holds keys and values, not 3"),
        ("output: x\nspace: {resolutions: 32}", r"takes a list, not 32; put it in brackets: \[32\]$"),
        ("output: x\nspace: {resolutions: [32, a]}", r"space\.resolutions\[1\] takes a whole number"),
        ("output: x\nspace: {name: attentive}", r"space\.name must be one of attentive_nas"),
        (
            "output: x\nkd: {name: alfa}",
            r"kd\.name must be one of adaptive_alpha, alpha, kl, reverse_kl, symmetric_kl, none, not 'alfa'",
        ),
        ("output: x\nkd: {name: alpha}", r"kd\.alpha is missing"),
        ("output: x\nkd: {name: none, temperature: 2}", r"kd\.temperature is no key"),
        ("output: x\nkd: {name: kl, alpha_min: 0}", r"kd\.alpha_min is no key"),
        (
            "output: x\nsampler: {name: attentiv}",
            "sampler.name must be one of sandwich, uniform, attentive, largest, not 'attentiv'",
        ),
        (
            "output: x\nsampler: {name: attentive, num_candidates: 0}",
            r"sampler\.num_candidates must be at least 1, not 0",
        ),
        ("output: x\nsampler: {name: attentive, mode: best}", r"mode must be one of 'best_up', 'worst_up', not 'best'"),
        ("output: x\nsampler: {name: uniform, num_archs: 0}", r"sampler\.num_archs must be at least 1"),
        ("output: x\nsampler: {name: uniform, num_random: 2}", r"sampler\.num_random is no key"),
        ("output: x\ndata: {search_fraction: 0.1, search_count: 3}", "search_fraction or search_count, not both"),
        (
            "output: x\nsearch: {stages: [0.5, 0.25]}",
            r"search\.stages must ascend .*, not \[0.5, 0.25\]",
        ),
        ("output: x\nsearch: {stages: [1]}", r"search\.stages must ascend between 0 and 1"),
        ("output: x\nsearch: {stages: [0]}", r"search\.stages must ascend between 0 and 1"),
        ("output: x\nsearch: {stages: 0.1}", r"search\.stages takes a list"),
        ("output: x\nsearch: {min_params: 0}", r"search\.min_params must be a number above 0, not 0"),
        ("output: x\nsearch: {max_latency_ms: .inf}", r"search\.max_latency_ms must be a number above 0, not inf"),
        (
            "output: x\nsearch: {min_params: 5.0e+6, max_params: 4.0e+6}",
            r"search\.min_params must be at most max_params \(4e\+06\), not 5e\+06",
        ),
        ("output: x\nsearch: {min_latency_ms: 3, max_latency_ms: 2}", r"min_latency_ms must be at most max_latency_ms"),
        ("output: x\ntraining: {lr: .inf}", r"training\.lr takes a number, not inf"),
        ("output: x\ndata: {mean: [0.5, .inf, 0.5]}", r"data\.mean takes a number, not inf"),
        ("output: x\nkd: {name: kl, temperature: .inf}", r"kd\.temperature .* not inf"),
        ("output: x\nseed: -1", r"seed must be from 0 to 4294967295, not -1"),
        ("output: x\nseed: 4294967296", r"seed must be from 0 to 4294967295, not 4294967296"),
        ("output: x\nseed: 010", "seed takes a whole number, not '010'"),
        ("output: x\nseed: 1:30", "seed takes a whole number, not '1:30'"),
        ("output: 12", "output takes text, not 12; put text that YAML reads as something else in quotes"),
        ("output: no", "output takes text, not False; put text that YAML .* in quotes"),
        ("output: [x]", r"output takes text, not \['x'\]$"),
        ("output: x\ntraining: {batch_size: 1}", r"training\.batch_size must be at least 2, not 1: BatchNorm"),
        ("output: x\ntraining: {batch_size: 1, accumulate: 8}", r"training\.batch_size .* whatever accumulate is"),
        ("seed: 3", "output is missing; give it, as it has no default"),
        ("output: ''", "output is empty; give text$"),
        ("output: x\ndata: {root: ' '}", r"data\.root is empty; give text, or leave the key out"),
        ("- a list", "must hold keys and values, not list"),
        ("output: [", "is not valid YAML"),
    ],
)
def test_errors_name_the_key_and_what_is_allowed(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        read_config(RunConfig, write(tmp_path, text))


def test_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*none\.yaml: No such file"):
        read_config(RunConfig, tmp_path / "none.yaml")


def test_subspaces_of_every_space(tmp_path):
    path = write(tmp_path, "output: x\nspace: {name: ofa_mbv3}")
    config = read_config(RunConfig, path, ["space.choices.depth=[2, 3]", "space.choices.mb1.kernel_size=[3]"])
    assert {gene.choices for gene in config.space.build().genes if gene.field == "depth"} == {(2, 3)}
    assert hash(config)
    again = from_dict(RunConfig, yaml.safe_load(to_yaml(config)))
    assert again == config
    slimmable = ["space.name=us_mobilenet_v2", "space.choices.width=[0.5, 0.75]"]
    assert read_config(RunConfig, path, slimmable).space.build().largest().width == 0.75
    wider = read_config(RunConfig, path, ["space.name=us_mobilenet_v1", "space.widths=[0.15, 1.0]"])
    assert wider.space.build().smallest().width == 0.15
    assert from_dict(RunConfig, yaml.safe_load(to_yaml(wider))) == wider
    follow = "space.follow={expand_ratio: {depth: [[2, 3], [3, 4], [4, 6]]}}"
    assert read_config(RunConfig, path, [follow]).space.build().num_archs == 25 * (3**2 + 3**3 + 3**4) ** 5
    for override, message in (
        ("space.choices.depth=[5]", r"space\.choices\.depth: 5 is not a candidate; choose from 2, 3, 4"),
        ("space.follow={depth: 3}", r"space\.follow\.depth names one leader"),
        (
            "space.widths=[0.5, 1]",
            r"space 'ofa_mbv3' takes resolutions, width_mult, choices, follow, in_chans, not widths",
        ),
        ("space.width_mult=0", r"space\.width_mult is a number above 0"),
        ("space.table=none.yaml", r"space\.table none\.yaml cannot be read"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_config(RunConfig, path, [override])


def test_a_run_keeps_its_table_and_not_where_it_was(tmp_path):
    table = tmp_path / "mine.yaml"
    row = "{width: 8, depth: [1, 2], kernel_size: 3, expand_ratio: 2}"
    table.write_text(f"resolutions: [24]\nstem: {{width: 8}}\nstages: [{row}]")
    config = read_config(RunConfig, write(tmp_path, f"output: x\nspace: {{table: {table}}}"))
    table.unlink()
    again = from_dict(RunConfig, yaml.safe_load(to_yaml(config)))
    assert again == config
    assert (again.space.name, again.space.build().num_archs) == ("mine", 2)
    shipped_one = read_config(RunConfig, write(tmp_path, "output: x\nspace: {table: configs/spaces/ofa_mbv3.yaml}"))
    assert (shipped_one.space.name, shipped_one.space.table) == ("ofa_mbv3", None)


def test_another_name_leaves_the_other_kinds_keys_out(tmp_path):
    """Of sections that come in kinds, wherever they stand; a space keeps its keys."""
    phases = [{"name": "one", "sampler": {"name": "uniform", "num_archs": 2}}]
    values = {"output": "x", "kd": {"clip": 3}, "space": {"resolutions": [32]}, "phases": phases}
    file = write(tmp_path, yaml.safe_dump(values))
    overrides = ["kd.name=kl", "space.name=ofa_mbv3", "phases.one.sampler.name=sandwich"]
    config = read_config(RunConfig, file, overrides)
    assert (config.kd, config.space.resolutions) == (KLConfig(), (32,))
    assert config.phases[0].sampler == SandwichConfig()
    assert read_config(RunConfig, file, ["kd.name=adaptive_alpha"]).kd.clip == 3
    assert read_config(RunConfig, file, ["kd.name=kl", "kd.temperature=2"]).kd == KLConfig(temperature=2)
    with pytest.raises(ConfigError, match=r"kd\.name must be one of"):
        read_config(RunConfig, file, ["kd.name=[1]"])


def test_overrides(tmp_path):
    path = write(tmp_path, "output: x\nspace: {resolutions: [32]}")
    overrides = ["training.epochs=7", "kd.name=kl", "kd.temperature=2", "space.resolutions=[16, 24]", "data.root=null"]
    config = read_config(RunConfig, path, overrides)
    assert config.training.epochs == 7
    assert config.kd == KLConfig(temperature=2.0)
    assert config.space.resolutions == (16, 24)
    for override, message in (
        ("training.epochs", "takes key=value"),
        ("training.epoch=3", "did you mean 'epochs'"),
        ("output.x=3", "output holds no keys"),
        ("seed=[", "not valid YAML"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_config(RunConfig, path, [override])


def test_samplers(tmp_path):
    read = {
        text: read_config(RunConfig, write(tmp_path, f"output: x\nsampler: {text}")).sampler
        for text in ("{num_random: 3}", "{name: uniform}", "{name: attentive, num_candidates: 50, mode: worst_up}")
    }
    assert list(read.values()) == [
        SandwichConfig(num_random=3), UniformConfig(), AttentiveConfig(num_candidates=50, mode="worst_up"),
    ]  # fmt: skip


def test_names_that_look_like_numbers(tmp_path):
    """PyYAML's YAML 1.1 makes 8 of 010 and 90 of 1:30."""
    names = "{name: folder, classes: [001, 010, 1:30, -07]}"
    config = read_config(RunConfig, write(tmp_path, f"output: 007\nrecipe: null\ndata: {names}"))
    assert (config.output, config.data.classes) == ("007", ("001", "010", "1:30", "-07"))
    assert from_dict(RunConfig, yaml.safe_load(to_yaml(config))) == config


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = write(tmp_path, "output: x")
    assert read_config(RunConfig, path, ["output=~/runs/a"]).output == str(tmp_path / "runs" / "a")
    assert read_config(RunConfig, path).output == "x"


def test_numbers_as_people_write_them(tmp_path):
    config = read_config(
        RunConfig, write(tmp_path, "output: x\ntraining: {weight_decay: 1e-5, lr: 1, clip_value: null}")
    )
    assert (config.training.weight_decay, config.training.lr, config.training.clip_value) == (1e-5, 1.0, None)


def test_configurations_are_frozen_and_plain():
    config = from_dict(RunConfig, {"output": "x"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 3
    assert yaml.safe_load(yaml.safe_dump(to_dict(config))) == to_dict(config)


def test_differences_are_dotted_keys():
    one = to_dict(from_dict(RunConfig, {"output": "x"}))
    other = to_dict(from_dict(RunConfig, {"output": "x", "seed": 1, "kd": {"name": "kl"}}))
    assert differences(one, one) == []
    assert set(differences(one, other)) >= {"seed", "kd.name", "kd.alpha_min"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.search_count=9", "data.search_fraction=0.1"], "data: give search_fraction or search_count, not both"),
        (["data.workers=-1"], "data.workers must be 0 or more"),
        (["space.resolutions=[3, 2]"], "space.resolutions are ascending"),
    ],
)
def test_what_a_section_says_of_itself_stands_behind_its_name(overrides, message):
    with pytest.raises(ConfigError, match=message):
        read_config(RunConfig, shipped("configs/digits.yaml"), overrides)
