"""Recipes from the command line: planned, trained, searched, published, compared."""

import csv
import io
import json
import re
import sys
from pathlib import Path

import pytest
import timm
import torch
import yaml

from alphanet_plugin.cli.main import main
from alphanet_plugin.config import list_recipes, to_dict
from alphanet_plugin.runs import RunFolder, training_cost

sys.path.insert(0, str(Path(__file__).parents[1] / "runs"))
from phased_run import EPOCHS, KERNELS, TABLE


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of `deps` on a few digits, planned, trained and searched."""
    folder = tmp_path_factory.mktemp("recipes")
    presets = {
        name: {"resolution": 24, "depth": depth, "kernel_size": 7, "expand_ratio": expand}
        for name, depth, expand in (("d2e3", 2, 3), ("d3e3", 3, 3), ("d4e6", 4, 6))
    }
    values = {
        "output": str(folder / "deps"),
        "space": {"table": {**TABLE, "presets": presets}},
        "data": {"image_size": 24, "search_fraction": 0.93},
        "training": {"epochs": 4, "batch_size": 16, "lr": 0.05},
        "evaluation": {"calibration_batches": 1, "search_calibration_batches": 1},
        "search": {"num_random": 3, "num_rounds": 1},
        "cost": {"per_device_hour": 2.13},
        "publish": {"presets": ["d3e3"], "front": 0},
    }
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(to_dict(values)))
    train = ["train", "--recipe", "deps", "--config", str(file)]
    assert main([*train, "--plan"]) == 0
    assert not (folder / "deps/checkpoints").exists()
    assert main(train) == 0
    assert main(["search", str(folder / "deps")]) == 0
    return folder / "deps"


def test_the_plan_is_what_it_cost(run, capsys):
    assert (run / "plan.png").stat().st_size > 10_000
    assert main(["train", "--recipe", "deps", "--config", str(run.parent / "mine.yaml"), "--plan"]) == 0
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[:-1]]
    header, _, *rows = lines
    planned = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    costs = training_cost(RunFolder(run))
    assert list(costs) == ["full", "shrink"]
    assert [planned[name]["networks a step"] for name in costs] == ["1", "4"]
    assert planned["shrink"]["students' scale"] == "1 to 1"
    for name, cost in costs.items():
        assert int(planned[name]["steps"]) == cost.steps
        assert float(planned[name]["multiply-adds (T)"]) == pytest.approx(cost.gmacs / 1e3, rel=1e-3)
        per_epoch = cost.images / cost.epochs
        assert float(planned[name]["backwards"]) == pytest.approx(cost.backwards / per_epoch, rel=1e-3)


def test_what_it_cost_lies_beside_it(run):
    kept = json.loads((run / "cost.json").read_text())
    assert [phase["phase"] for phase in kept["phases"]] == ["full", "shrink"]
    total = kept["all"]
    assert total["steps"] == sum(phase["steps"] for phase in kept["phases"])
    assert total["backwards"] == total["images"] / 2 * (1 + 4)
    assert total["device_hours"] == pytest.approx(total["seconds"] / 3600)
    assert total["price"] == pytest.approx(2.13 * total["device_hours"])


def test_runs_side_by_side(run, tmp_path, capsys):
    picture = tmp_path / "cost.png"
    assert main(["report", str(run), str(run), "--csv", "--picture", str(picture)]) == 0
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert len(rows) == 2
    row = dict(zip(header, rows[0], strict=True))
    assert (row["run"], row["of"]) == ("deps", "3 presets")
    accuracies = [float(row[key]) for key in ("smallest (%)", "largest (%)", "mean Pareto (%)")]
    assert all(0 <= value <= 100 for value in accuracies)
    assert picture.is_file()
    assert main(["report", str(run), "--buckets", "2"]) == 0
    assert "best of 2 buckets" in capsys.readouterr().out
    assert (run / "cost.png").is_file()
    assert main(["report", str(run), "--buckets", "1"]) == 2
    assert "--buckets must be at least 2" in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == 2


def test_the_front_as_json(run, capsys):
    assert main(["search", str(run), "--json"]) == 0
    front = json.loads(capsys.readouterr().out)
    searched = {line["mflops"]: line for line in map(json.loads, (run / "search.jsonl").read_text().splitlines()[1:])}
    assert [subnet["name"] for subnet in front] == [f"front{number}" for number in range(1, len(front) + 1)]
    for subnet in front:
        assert subnet["metrics"]["search top-1 (%)"] == searched[subnet["mflops"]]["metrics"]["top1"]
        assert main(["evaluate", str(run), "--arch", subnet["arch"], "--split", "search", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["top1"] == subnet["metrics"]["search top-1 (%)"]


def page_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_the_page_of_runs(run, tmp_path, capsys):
    file = tmp_path / "pages" / "compared.html"
    assert main(["report", str(run), str(run), "--html", str(file)]) == 0
    assert str(file) in capsys.readouterr().err
    one, other = page_of(file)["runs"]
    assert (one["name"], other["name"]) == (str(run), f"{run} (2)")
    searched = [json.loads(line) for line in (run / "search.jsonl").read_text().splitlines()[1:]]
    assert [subnet["mflops"] for subnet in one["subnets"]] == [line["mflops"] for line in searched]
    assert {subnet["preset"] for subnet in one["subnets"]} >= {"d2e3", "d3e3", "d4e6"}
    assert [(phase["name"], phase["begin"], phase["end"]) for phase in one["phases"]][1][0::2] == ("shrink", 4.0)
    assert one["curve"][-1]["epoch"] == pytest.approx(4.0)
    assert one["machine"]["torch"] == torch.__version__
    assert "deps" in one["config"]


def test_the_lines_of_the_page_load_a_subnet(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(run)]) == 0
    (shown,) = page_of(run / "report.html")["runs"]
    subnet = shown["subnets"][-1]
    names = {}
    exec(shown["load"].replace("{arch}", json.dumps(subnet["arch"])), names)
    model = names["model"]
    assert sum(parameter.numel() for parameter in model.parameters()) == subnet["params"]
    assert not model.training
    assert torch.isfinite(model(torch.zeros(1, 3, 24, 24))).all()


def test_it_is_published_for_timm(run, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ALPHANET_HOME", str(tmp_path))
    assert main(["publish", str(run), "--tag", "deps"]) == 0
    capsys.readouterr()
    assert timm.create_model("mobile_subnet.deps_d3e3", pretrained=True).num_classes == 10
    assert main(["report", str(run)]) == 0
    shown = page_of(run / "report.html")["runs"][0]
    assert [model["name"] for model in shown["published"]] == ["mobile_subnet.deps_d3e3"]
    assert {one["preset"] for one in shown["subnets"] if one["published"]} == {"d3e3"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --config FILE, --recipe NAME, or both"),
        (["--recipe", "dips"], "dips"),
        (["--recipe", "dips", "--config", "configs/digits.yaml"], "recipe: there is no 'dips'; did you mean 'deps'?"),
        (["--recipe", "ofa", "--config", "configs/us_mobilenet_v1_digits.yaml"], "decides no depth"),
    ],
)
def test_what_does_not_fit_is_one_line(arguments, message, capsys):
    assert main(["train", *arguments, "--plan"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.slow
@pytest.mark.parametrize("recipe", list_recipes())
def test_every_recipe_goes_the_whole_way(recipe, tmp_path, monkeypatch, capsys):
    """Trained, searched, published, and loaded by timm with the accuracy that its card tells."""
    monkeypatch.setenv("ALPHANET_HOME", str(tmp_path / "home"))
    slimmable = {"name": "us_mobilenet_v1", "resolutions": [24], "choices": {"width": [0.25, 0.3]}}
    values = {
        "output": str(tmp_path / recipe),
        "space": slimmable if recipe == "us_mobilenet" else {"table": TABLE},
        "data": {"image_size": 24, "search_fraction": 0.93},
        "training": {"epochs": EPOCHS.get(recipe, 3), "batch_size": 16, "lr": 0.05, "warmup_epochs": 0},
        "evaluation": {"calibration_batches": 1, "search_calibration_batches": 1},
        "search": {"num_random": 3, "num_rounds": 1},
        "publish": {"presets": [], "front": 1, "tag": "whole"},
        **({"phases": {"compound1": KERNELS, "compound2": KERNELS}} if recipe == "compofa" else {}),
    }
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(to_dict(values)))
    run = str(tmp_path / recipe)
    for command in (["train", "--recipe", recipe, "--config", str(file)], ["search", run], ["publish", run]):
        assert main(command) == 0
    (folder,) = (tmp_path / "home/models").iterdir()
    written = json.loads((folder / "config.json").read_text())
    model = timm.create_model(folder.name, pretrained=True)
    assert model.num_classes == len(written["label_names"]) == 10
    capsys.readouterr()
    assert main(["evaluate", folder.name, "--data", "digits", "--json"]) == 0
    top1 = json.loads(capsys.readouterr().out)["top1"]
    assert f"| Top-1 accuracy (%), measured | {top1:.2f} |" in (folder / "README.md").read_text()
