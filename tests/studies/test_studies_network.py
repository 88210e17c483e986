"""Studies of single networks: teachers first, students after, and their table."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from alphanet_plugin import runs
from alphanet_plugin.config import StudyConfig, from_dict, read_config
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.shipped import shipped
from alphanet_plugin.studies import Study

TEACHER = {
    "base": "configs/distill/digits_teacher.yaml",
    "set": {"training": {"epochs": 1, "warmup_epochs": 0, "batch_size": 256}},
}


def study(folder, **changes):
    values = {
        "kind": "network",
        "output": str(folder),
        "seeds": [0, 1],
        "base": "configs/distill/digits.yaml",
        "set": {"training": {"epochs": 1, "warmup_epochs": 0, "batch_size": 256}, "teacher": {"views": 1}},
        "groups": [
            {"name": "small", "set": {"model": {"name": "mobilenetv3_small_050"}}, "teacher": TEACHER},
            {"name": "larger", "set": {"model": {"name": "mobilenetv3_small_075"}}, "teacher": TEACHER},
        ],
        "arms": [{"name": "KL", "set": {"kd": {"name": "kl"}}}, {"name": "none", "set": {"kd": {"name": "none"}}}],
        "baseline": "none",
        "workers": 1,
        **changes,
    }
    return Study(from_dict(StudyConfig, values))


@pytest.fixture
def trained(monkeypatch):
    """What `runs.run_network` was given; it trains nothing."""
    configs = []

    def run_network(config, *, watch):
        configs.append(config)
        if config.teacher:
            assert (Path(config.teacher.name) / "config.json").is_file()  # it is there by now
        accelerator = SimpleNamespace(is_main_process=True)
        on_step = watch(SimpleNamespace(accelerator=accelerator, total_steps=1))
        folder = runs.RunFolder(Path(config.output))
        folder.model.mkdir(parents=True)
        (folder.model / "config.json").write_text("{}")
        folder.log.write_text(json.dumps({"step": 0, "seconds": 2.0, "loss": 1.0}) + "\n")
        on_step({"step": 0})
        top1 = 99.0 if config.teacher is None else 90.0 + config.seed + (config.kd.name == "kl")
        return {"test_top1": top1, "test_top5": 100.0, "test_loss": 0.1, "test_count": 360}

    monkeypatch.setattr(runs, "run_network", run_network)
    return configs


def test_a_teacher_is_made_once_and_first(trained, tmp_path):
    one = study(tmp_path)
    teachers = [cell for cell in one.cells if cell.teaches]
    assert len({cell.folder for cell in teachers}) == 1
    assert one.run() == []
    assert [config.teacher is None for config in trained] == [True] + [False] * 8
    assert {config.teacher.name for config in trained[1:]} == {str(teachers[0].folder / "model")}
    assert [(config.kd.name, config.seed) for config in trained[1:5]] == [("kl", 0), ("none", 0)] * 2
    assert study(tmp_path).to_run() == []


def test_the_table_has_one_column(trained, tmp_path):
    one = study(tmp_path)
    one.run()
    text = one.write_report()
    assert "| KL   | 91.50 ± 0.71 |   2 |" in text
    assert "| KL  | +1.00 [+1.00, +1.00]* |  < 0.001 |" in text
    assert "Teacher of small, larger: 99.00 % on the test images." in text
    assert "0.3 minutes of training" in text  # nine runs of two seconds
    assert len(trained) == 9


def test_runs_keep_their_names_wherever_the_teacher_lies(tmp_path):
    names = [[cell.folder.name for cell in study(tmp_path / place).cells] for place in ("here", "there")]
    assert names[0] == names[1]
    other = {**TEACHER, "set": {"training": {**TEACHER["set"]["training"], "epochs": 2}}}
    groups = [{"name": "small", "set": {"model": {"name": "mobilenetv3_small_050"}}, "teacher": other}]
    assert not {cell.folder.name for cell in study(tmp_path, groups=groups).cells} & set(names[0])


def test_without_its_teacher_a_group_is_not_begun(trained, tmp_path, monkeypatch):
    real = runs.run_network

    def fail(config, *arguments, **options):
        if config.teacher is None:
            raise ConfigError("model.name: no such network")
        return real(config, *arguments, **options)

    monkeypatch.setattr(runs, "run_network", fail)
    (failure,) = study(tmp_path).run()
    assert failure.error == "model.name: no such network"
    assert trained == []


@pytest.mark.slow  # five trainings
def test_real_networks(tmp_path):
    one = study(tmp_path, seeds=[0])
    assert one.run() == []
    for cell in one.cells:
        assert one.finished(cell)
        kept = {path.name for path in cell.folder.iterdir()}
        assert "model" in kept
        assert not kept & {"checkpoints", "teacher_logits"}
    assert study(tmp_path, seeds=[0]).run() == []


@pytest.mark.slow  # eleven networks are built
@pytest.mark.parametrize("name", ["table5_digits", "table6_digits"])
def test_networks_of_the_digits_studies_take_their_images(name):
    cells = Study(read_config(StudyConfig, shipped(f"configs/studies/{name}.yaml"))).cells
    models = {str(cell.config.model): cell.config for cell in cells}
    for config in models.values():
        side = config.data.image_size
        net = runs.create_network(config.model, 10, side).eval()
        assert net(torch.zeros(1, 3, side, side)).shape == (1, 10)
