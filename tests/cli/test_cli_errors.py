"""Errors of the command line: one line, status 2, and the traceback only when asked for."""

import shlex

import pytest

from alphanet_plugin import runs
from alphanet_plugin.cli.main import VERBS, build_parser, main
from alphanet_plugin.cli.train import train
from alphanet_plugin.config import RunConfig


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        build_parser().parse_args([verb, "--help"])
    assert stop.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) > 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--config", "none.yaml"], "cannot read none.yaml: No such file"),
        (
            ["train", "--config", "configs/qqqq.yaml"],
            "they lie in configs/, such as configs/digits.yaml",
        ),
        (["train", "--config", "configs/digits.yaml", "--set", "training.epoch=3"], "did you mean 'epochs'"),
        (["train", "--config", "configs/digits.yaml", "--set", "data.name=foldr"], "foldr"),
        (["train", "--config", "configs/imagenet.yaml", "--set", "data.root=nowhere"], "nowhere"),
        (["train", "--config", "configs/digits.yaml", "--set", "training.tracker=tensorbored"], "tensorbored"),
        (
            ["train", "--config", "configs/digits.yaml", "--set", "kd=foo"],
            "kd must hold keys and values, such as name: ",
        ),
        (
            ["train", "--config", "configs/digits.yaml", "--set", "output=/dev/null"],
            "output: /dev/null cannot be a run's",
        ),
        (["train", "--config", "configs/digits.yaml", "--plan", "--images", "0"], "at least 1, and goes with --plan"),
        (["train", "--config", "configs/digits.yaml", "--images", "5"], "at least 1, and goes with --plan"),
        (["search", "nowhere"], "nowhere holds no trained run"),
        (["search", "nowhere", "--batch", "2"], "give --latency cpu, cuda or onnx too"),
        (["search", "nowhere", "--latency", "cpu", "--latency-check", "0"], "--latency-check must be at least 1"),
        (["publish", "nowhere"], "nowhere holds no trained run"),
        (["profile", "a7"], "no arch 'a7', nor a YAML file or the printed form"),
        (["profile", "a4", "--classes", "0"], "at least 1"),
        (["profile", "a4", "--resolutions", "big"], "--resolutions takes whole numbers"),
        (["evaluate", "alphanet_a4"], "--data is needed"),
        (
            ["evaluate", "nowhere", "--arch", "a0"],
            "--arch is of a run, and nowhere is no folder of one; look at the path, or leave it out",
        ),
        (["evaluate", ".", "--data", "digits"], "holds no config.json of one; a run is measured on its own images"),
        (["evaluate", "alphanet_a4", "--data", "digits"], "no weights for alphanet_a4"),
    ],
)
def test_one_line_and_status_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    lines = [line for line in errors if line.startswith("alphanet: error:")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not any("Traceback" in line for line in errors)


def test_debug_shows_the_traceback():
    with pytest.raises(ValueError, match="no arch 'a7'"):
        main(["profile", "a7", "--debug"])


def test_profile_prints_the_published_figures(capsys):
    assert main(["profile", "a4"]) == 0
    output = capsys.readouterr().out
    assert "443.531" in output
    assert "11,997,928" in output
    assert main(["profile", "largest", "--classes", "10", "--resolutions", "32,40"]) == 0


def test_the_command_that_comes_next_can_be_pasted(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(runs, "run_supernet", lambda *_args, **_options: None)
    output = str(tmp_path / "my runs")
    train(RunConfig(output=output))
    printed = capsys.readouterr().out.strip()
    assert shlex.split(printed.partition("next: ")[2].removesuffix(")")) == ["alphanet", "search", output]
