"""`alphanet distill`, and what docs/distill.md tells people to do, in a small size."""

import re
import shlex
from pathlib import Path

import pytest
import timm

from alphanet_plugin.cli.distill import read_distill_config
from alphanet_plugin.cli.main import build_parser, main
from alphanet_plugin.config import NetworkRunConfig, read_config
from alphanet_plugin.runs import run_network

DOCS = (Path(__file__).parents[2] / "docs" / "distill.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line, comments=True)
    for block in re.findall(r"```bash\n(.*?)```", DOCS, flags=re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if line
]
SMALL = ["training.epochs=1", "training.warmup_epochs=0", "data.search_count=1270", "data.image_size=16"]
SET = [part for setting in SMALL for part in ("--set", setting)]


def test_the_commands_of_the_document_run_in_a_small_size(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    local = [command for command in COMMANDS if command[0] == "alphanet"]
    assert len(local) == 4
    for command in local:
        assert main([*command[1:], *SET]) == 0, capsys.readouterr().err
        printed = capsys.readouterr().out
        assert re.search(r"top-1 [\d.]+ % of 360 test images", printed)
        folder = re.search(r'timm\.create_model\("local-dir:(.*?)", pretrained=True\)', printed)[1]
        assert timm.create_model(f"local-dir:{folder}", pretrained=True).num_classes == 10
    assert (tmp_path / "runs/distill/mobilenetv2_025/model").is_dir()

    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")}
    assert main([*local[1][1:], *SET]) == 0
    assert {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")} == before
    assert "top-1" in capsys.readouterr().out

    (program,) = re.findall(r"```python\n(.*?)```", DOCS, flags=re.DOTALL)
    seen = {}
    monkeypatch.setattr("alphanet_plugin.runs.run_network", lambda config: seen.update(config=config))
    monkeypatch.setattr(
        "alphanet_plugin.config.read_config",
        lambda schema, path, overrides: read_config(schema, Path(__file__).parents[2] / path, overrides),
    )
    exec(program, {"__name__": "docs"})
    assert isinstance(seen["config"], NetworkRunConfig)
    assert seen["config"].seed == 1
    assert callable(run_network)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command[0] == "accelerate"], ids=" ".join)
def test_the_commands_on_imagenet_are_understood(command):
    arguments = build_parser().parse_args(command[command.index("alphanet_plugin") + 1 :])
    config = read_distill_config(arguments)
    assert (config.data.root, config.distils) == ("/data/imagenet", True)


def test_options_name_what_they_say():
    options = ["--teacher", "regnety_160", "--teacher-checkpoint", "deit_in1k", "--student", "mobilenetv2_050"]
    arguments = build_parser().parse_args(["distill", *options, "--data", "folder", "--root", "/x", "--output", "o"])
    config = read_distill_config(arguments)
    assert (config.teacher.name, config.teacher.pretrained, config.model.name) == (
        "regnety_160", "deit_in1k", "mobilenetv2_050",
    )  # fmt: skip
    assert (config.data.name, config.data.root, config.output) == ("folder", "/x", "o")
    alone = read_distill_config(build_parser().parse_args(["distill", "--student", "vit_tiny", "--data", "torch/x"]))
    assert (alone.teacher, alone.distils, alone.output) == (None, False, "runs/distill/vit_tiny")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --student NAME (and --teacher NAME to distil from it), or --config FILE"),
        (["--student", "mobilnetv2_050"], "did you mean 'mobilenetv2_050'"),
        # said before the teacher's weights are asked for
        (["--student", "mobilnetv2_050", "--teacher", "resnet10t"], "did you mean 'mobilenetv2_050'"),
        (["--student", "test_resnet", "--teacher", "nowhere"], "teacher.name: timm knows no model 'nowhere'"),
        (["--config", "configs/distill/digit.yaml"], "configs/distill/digits.yaml"),
        (["--student", "test_resnet", "--data", "foldr"], "data set 'foldr' is not known"),
    ],
    ids=str,
)
def test_mistakes_are_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["distill", *arguments]) == 2
    assert message in capsys.readouterr().err
