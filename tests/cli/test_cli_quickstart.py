"""The whole path in small: train, search, publish, load with timm, in one command."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter

import pytest
from huggingface_hub import ModelCard
from PIL import Image

from alphanet_plugin.cli.main import main
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.evaluation import latency_table
from alphanet_plugin.evaluation.latency_table import interleaved_ms
from alphanet_plugin.runs import (
    cost_of_run,
    last_choice,
    open_run,
    read_search_plan,
    search_front,
    search_results,
    to_publish,
)
from alphanet_plugin.search import read_history
from alphanet_plugin.spaces import Arch

SMALL = [
    "space.resolutions=[16, 20, 24, 28]", "data.image_size=28", "training.epochs=1", "training.batch_size=128",
    "evaluation.calibration_batches=2", "evaluation.search_calibration_batches=1", "evaluation.batch_size=64",
    "search.num_random=3", "search.num_parents=2", "search.num_crossovers=1", "search.num_mutations=1",
    "search.num_rounds=2", "publish.presets=[a0]", "publish.front=2",
]  # fmt: skip


def alphanet(*arguments, home, cwd):
    return subprocess.run(
        [sys.executable, "-m", "alphanet_plugin", *arguments], capture_output=True, text=True, timeout=280, check=False,
        cwd=cwd, env={**os.environ, "ALPHANET_HOME": str(home), "OMP_NUM_THREADS": "1", "COLUMNS": "120"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quickstart")
    overrides = [part for setting in SMALL for part in ("--set", setting)]
    done = alphanet("quickstart", *overrides, home=folder / "home", cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done, overrides


def history(folder):
    return folder / "runs/digits/search.jsonl"


def published(output):
    """Name -> test accuracy of the printed table."""
    return dict(re.findall(r"(alphanet_\w+\.digits\w*).*?([\d.]+)\s*\|?\s*$", output, flags=re.MULTILINE))


def test_prints_what_was_published_and_draws_it(quickstart):
    folder, done, _ = quickstart
    names = published(done.stdout)
    assert "alphanet_a0.digits" in names
    assert 2 <= len(names) <= 3
    assert done.stdout.splitlines()[-1] == "The report of this run, to open in a browser: runs/digits/report.html"
    page = (folder / "runs/digits/report.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    listed = {one["name"]: one["mflops"] for one in data["runs"][0]["published"]}
    assert set(listed) == set(names)
    assert list(listed.values()) == sorted(listed.values())
    with Image.open(folder / "runs/digits/pareto.png") as picture:
        assert picture.size == (1200, 800)
    for stage in ("train", "search", "publish"):
        assert stage in done.stderr


def test_the_three_lines_work_when_pasted(quickstart):
    folder, done, _ = quickstart
    lines = done.stdout[done.stdout.index("import timm") :].strip().splitlines()
    lines = lines[: lines.index("")]
    assert len(lines) == 3
    pasted = subprocess.run(
        [sys.executable, "-"], input="\n".join(lines), capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "ALPHANET_HOME": str(folder / "home")},
    )  # fmt: skip
    assert pasted.returncode == 0, pasted.stderr
    assert re.fullmatch(r"tensor\(\d\)", pasted.stdout.strip())
    assert f"They print {pasted.stdout.strip()}, " in done.stdout


def test_the_shown_one_is_the_best_of_the_search(quickstart):
    folder, done, _ = quickstart
    (shown,) = re.findall(r'create_model\("(\S+)", pretrained=True\)', done.stdout)
    archs = {entry.evaluated.arch: entry.evaluated.metrics["top1"] for entry in read_history(history(folder))[1]}
    models = {
        path.name: json.loads((path / "config.json").read_text())
        for path in (folder / "home/models").glob("al*.digits*")
    }
    found = {
        name: archs[Arch(config["model_args"]["arch"])]
        for name, config in models.items()
        if name in published(done.stdout)
    }
    assert found[shown] == max(found.values())


def test_printed_accuracies_are_those_of_the_published_models(quickstart, monkeypatch, capsys):
    folder, done, _ = quickstart
    monkeypatch.setenv("ALPHANET_HOME", str(folder / "home"))
    for name, accuracy in published(done.stdout).items():
        assert main(["evaluate", name, "--data", "digits"]) == 0
        found = re.search(r"top1 ([\d.]+) %.*\(360 images\)", capsys.readouterr().out)
        assert float(found[1]) == pytest.approx(float(accuracy), abs=0.006)


def test_started_again_it_trains_and_evaluates_nothing_twice(quickstart):
    folder, done, overrides = quickstart
    checkpoints = folder / "runs/digits/checkpoints"
    before = {path: path.stat().st_mtime_ns for path in checkpoints.rglob("*")}
    history = (folder / "runs/digits/search.jsonl").read_bytes()
    again = alphanet("quickstart", *overrides, home=folder / "home", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in checkpoints.rglob("*")} == before
    assert (folder / "runs/digits/search.jsonl").read_bytes() == history
    entries = len(read_history(folder / "runs/digits/search.jsonl")[1])
    assert f"going on from {entries} evaluated subnets" in again.stderr
    assert re.search(r"already trained: step (\d+) of \1 ", again.stderr)
    assert published(again.stdout) == published(done.stdout)


def test_a_run_of_another_configuration_is_not_overwritten(quickstart):
    folder, _, overrides = quickstart
    done = alphanet("quickstart", *overrides, "--set", "training.lr=0.2", home=folder / "home", cwd=folder)
    assert done.returncode == 2
    assert "other values of training.lr" in done.stderr


@pytest.mark.slow
def test_verbs_on_the_run(quickstart):
    folder, _, _ = quickstart
    home = folder / "home"
    for split in ("search", "test"):
        done = alphanet("evaluate", "runs/digits", "--arch", "a0", "--split", split, home=home, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert f"{split} images): top1" in done.stdout
    done = alphanet(
        "publish",
        "runs/digits",
        "--tag",
        "again",
        "--set",
        "publish.front=0",
        "--set",
        "publish.presets=[a0]",
        home=home,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    done = alphanet("models", "--published", home=home, cwd=folder)
    assert "alphanet_a0.again" in done.stdout
    assert "alphanet_a0.digits" in done.stdout


@pytest.mark.slow
def test_search_by_latency_measures_its_table_once(quickstart, tmp_path, monkeypatch, capsys):
    measured = []

    def in_a_hurry(parts, *, device, batch, seconds):
        measured.extend(part.name for part in parts)
        return interleaved_ms(parts, device=device, batch=batch, seconds=seconds / 1000, visits=1)

    monkeypatch.setattr(latency_table, "interleaved_ms", in_a_hurry)
    monkeypatch.setenv("ALPHANET_HOME", str(tmp_path / "home"))
    run = tmp_path / "run"
    shutil.copytree(quickstart[0] / "runs/digits", run)
    command = ["search", str(run), "--latency", "cpu", "--batch", "2", "--latency-check", "3"]
    assert main(command) == 0
    output = capsys.readouterr().out
    assert re.search(
        r"latency table against whole networks: mean [\d.]+ %, worst [\d.]+ % over 3 held-out subnets", output
    )
    assert "latency (ms)" in output
    assert f"next: alphanet publish {run} --tag digits" in output
    table = run / "latency_cpu_b2.json"
    held = table.read_bytes()
    assert len(json.loads(held)["parts_ms"]) == len([name for name in measured if not name.startswith("network")])

    measured.clear()
    assert main(command) == 0
    again = capsys.readouterr().out
    assert again.splitlines()[0] == output.splitlines()[0]
    assert again.splitlines()[2:] == output.splitlines()[2:], "but for the number of parts, which the search added to"
    assert not measured
    assert table.read_bytes() == held

    chosen = to_publish(open_run(run, [*last_choice(run), "publish.presets=[]"]))
    assert main(["publish", str(run), "--tag", "quick", "--set", "publish.presets=[]"]) == 0
    shown = capsys.readouterr().out
    assert "latency (ms)" in shown, "it is that of the last search"
    assert {name.replace(".digits", ".quick") for name in chosen} == set(
        re.findall(r"alphanet_subnet\.quick_\w+", shown)
    )

    before = len(read_history(run / "search.jsonl")[1])
    table_ms = cost_of_run(open_run(run, last_choice(run)), measuring=False).table.latency_ms
    bound = sorted(table_ms(subnet.arch) for subnet in search_results(open_run(run)))[2]
    bounded = ["--latency", "cpu", "--batch", "2", "--latency-check", "3", "--set", f"search.max_latency_ms={bound}"]
    assert main(["search", str(run), *bounded, "--set", "search.num_random=8", "--set", "search.num_rounds=1"]) == 0
    fresh = [entry.evaluated.arch for entry in read_history(run / "search.jsonl")[1][before:]]
    assert fresh
    table_ms = cost_of_run(open_run(run, last_choice(run)), measuring=False).table.latency_ms  # with what it measured
    assert all(table_ms(arch) <= bound for arch in fresh)
    assert all(table_ms(subnet.arch) <= bound for subnet in search_front(open_run(run, last_choice(run))))
    held = table.read_bytes()
    capsys.readouterr()

    table.write_text(held.decode().replace('"machine": "', '"machine": "a faster '))
    assert main(command) == 2
    assert "was measured with batch 2, 10 classes on a faster" in capsys.readouterr().err


def test_staged_search(quickstart, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(quickstart[0] / "runs/digits", run)
    known = len(read_history(run / "search.jsonl")[1])
    stages = ["search.stages=[0.1, 0.5]", "search.num_random=20", "search.num_rounds=1"]
    assert main(["search", str(run), *(part for setting in stages for part in ("--set", setting))]) == 0
    output = capsys.readouterr().out
    entries = read_history(run / "search.jsonl")[1]
    counts = Counter(entry.evaluated.share for entry in entries)
    assert (counts[0.1], counts[0.5]) == (20, 4)
    assert known <= counts[1.0] <= known + 2
    images = {entry.evaluated.share: entry.evaluated.metrics["count"] for entry in entries}
    assert images == {0.1: 42, 0.5: 192, 1.0: 359}, "of 64 + 359 passes, whole batches of 64"
    assert "10 subnets:" in output, "8 presets and 2 that came through"
    assert {subnet.share for subnet in search_results(open_run(run))} == {1.0}
    with pytest.raises(ConfigError, match=r"in full; .* --set 'search\.stages=\[0\.1, 0\.5\]'`"):
        read_search_plan(run, {"stages": (0.1, 0.5)})


def test_publish_to_a_hub_and_load_from_it_elsewhere(quickstart, loopback_hub, monkeypatch, tmp_path, capsys):
    folder, _, _ = quickstart
    monkeypatch.setenv("HF_TOKEN", "hf_owner")
    monkeypatch.setenv("ALPHANET_HOME", str(folder / "home"))
    options = ["--tag", "shared", "--set", "publish.front=0", "--hub", "my-lab", "--private"]
    assert main(["publish", str(folder / "runs/digits"), *options]) == 0
    assert f"Uploaded {loopback_hub.endpoint}/my-lab/alphanet_a0.shared" in capsys.readouterr().out
    (repository,) = loopback_hub.repositories.values()
    assert set(repository.files) == {"model.safetensors", "config.json", "README.md", "pareto.png"}
    card = ModelCard(repository.files["README.md"].decode())
    assert "neither training nor search saw" in card.text

    monkeypatch.setenv("ALPHANET_HOME", str(tmp_path))
    monkeypatch.setenv("ALPHANET_HUB", "my-lab")
    assert main(["evaluate", "alphanet_a0.shared", "--data", "digits"]) == 0
    measured = float(re.search(r"top1 ([\d.]+) %", capsys.readouterr().out)[1])
    assert measured == pytest.approx(card.data.eval_results[0].metric_value, abs=0.006)
    assert main(["models", "--published"]) == 0
    assert re.search(r"copies from my-lab on the hub:\s+alphanet_a0\.shared +10 classes", capsys.readouterr().out)
