"""A search and a publication by several processes: the same bytes as by one, and an end with a word if one dies."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest
from torch import distributed

from alphanet_plugin import runs
from alphanet_plugin.cli.main import main
from alphanet_plugin.evaluation import latency_table
from alphanet_plugin.runs import publishing, search_cost
from alphanet_plugin.runs.ranks import Ranks
from alphanet_plugin.weights import card

SMALL = [
    "space.resolutions=[16]", "data.image_size=16", "training.epochs=1", "training.warmup_epochs=0",
    "training.batch_size=256", "data.search_count=100", "evaluation.calibration_batches=1",
    "evaluation.search_calibration_batches=1", "search.num_random=6", "search.num_parents=4",
    "search.num_crossovers=2", "search.num_mutations=2", "search.num_rounds=2", "search.stages=[0.5]",
    "publish.presets=['0.35x','0.50x','0.75x']", "publish.tag=small",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a slimmable network of two steps, and its search by one process."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    config = runs.read_config("configs/us_mobilenet_v2_digits.yaml", [f"output={folder}", *SMALL])
    runs.run_supernet(config)
    alone = shutil.copytree(folder, folder.with_name("alone"))
    runs.search_run(runs.open_run(alone))
    return folder, alone


def environment(home, **changes):
    kept = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "MASTER_PORT")}
    return {**kept, "ALPHANET_HOME": str(home), "OMP_NUM_THREADS": "1", **changes}


def accelerate(*arguments, home, **options):
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", "--cpu", "-m", "alphanet_plugin", *arguments,
    ]  # fmt: skip
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(home), **options
    )


def test_two_processes_search_and_publish_as_one_does(trained, tmp_path, monkeypatch):
    """Threads here, which share a store of torch.distributed as processes do."""
    folder, alone = trained
    shared = shutil.copytree(folder, tmp_path / "shared")
    other, helped = runs.open_run(shared), []
    extract = other.supernet.extract
    monkeypatch.setattr(other.supernet, "extract", lambda arch: helped.append(arch) or extract(arch))
    monkeypatch.setattr(card, "_LATENCY_SECONDS", 0.0)
    turn = threading.RLock()  # reading images seeds torch's generator, which threads share and processes do not
    monkeypatch.setattr(publishing.Measuring, "__call__", by_turns(publishing.Measuring.__call__, turn))
    monkeypatch.setattr(publishing, "_publish", by_turns(publishing._publish, turn))
    for part, help_part in ((search, runs.help_search), (publish, runs.help_publish)):
        store = distributed.HashStore()
        first = Ranks(store, 0, 2)
        thread = threading.Thread(target=serve, args=(Ranks(store, 1, 2), help_part, other))
        thread.start()
        first.wait_for_others()
        monkeypatch.setenv("ALPHANET_HOME", str(tmp_path / "two"))
        part(runs.open_run(shared), first)
        first.close()
        thread.join(timeout=60)
        assert not thread.is_alive()
        assert helped, "the other took some"
        helped.clear()
    assert (shared / "search.jsonl").read_bytes() == (alone / "search.jsonl").read_bytes()
    assert shared.joinpath("pareto.svg").read_bytes() == alone.joinpath("pareto.svg").read_bytes()
    monkeypatch.setenv("ALPHANET_HOME", str(tmp_path / "one"))
    publish(runs.open_run(shared), None)
    assert_same_weights(tmp_path)


def assert_same_weights(folder):
    names = sorted(path.name for path in (folder / "one/models").iterdir())
    assert len(names) == 3
    for name in names:
        one, two = (folder / home / "models" / name / "model.safetensors" for home in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def by_turns(function, turn):
    def call(*arguments):
        with turn:
            return function(*arguments)

    return call


def serve(ranks, help_part, run):
    help_part(run, ranks)
    ranks.close()


def search(run, ranks):
    runs.search_run(run, ranks=ranks)


def publish(run, ranks):
    list(runs.publish_run(run, runs.to_publish(run), ranks=ranks))


def test_a_search_with_a_predictor_says_how_well_it_ranks(trained, tmp_path, capsys):
    shared = shutil.copytree(trained[0], tmp_path / "shared")
    sizes = ["search.predictor=ridge", "search.num_random=12", "search.stages=[]"]
    assert main(["search", str(shared), *[part for size in sizes for part in ("--set", size)]]) == 0
    said = capsys.readouterr().out
    kept = json.loads((shared / "search_predictor.json").read_text())
    line = re.search(r"predictor ridge: rank correlation on held-out subnets (-?[\d.]+) \(Spearman\)", said)
    assert float(line[1]) == pytest.approx(kept["spearman"], abs=0.006)
    assert kept["subnets"] == len(runs.search_results(runs.open_run(shared)))
    assert main(["search", str(shared)]) == 0
    assert "rank correlation" not in capsys.readouterr().out
    assert not (shared / "search_predictor.json").exists()


@pytest.mark.slow
def test_a_search_goes_by_the_latency_of_exported_files(trained, tmp_path, monkeypatch, capsys):
    for seconds in ("PART_SECONDS", "NETWORK_SECONDS"):
        monkeypatch.setattr(latency_table, seconds, 1e-4)
    monkeypatch.setattr(search_cost, "NUM_FITTED", 3)
    shared = shutil.copytree(trained[0], tmp_path / "shared")
    arguments = ["search", str(shared), "--latency", "onnx", "--latency-check", "2", "--set", "search.num_rounds=1"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert re.search(r"latency table against whole networks: .* over 2 held-out subnets", said)
    table = json.loads((shared / "latency_onnx_b1.json").read_text())
    assert table["conditions"]["runtime"].startswith("onnxruntime ")
    assert table["conditions"]["runtime"] in said
    assert "latency (ms)" in said
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(arguments) == 2
    assert "latency of ONNX files needs onnx and onnxruntime: pip install onnx onnxruntime" in capsys.readouterr().err


def test_all_but_the_first_of_a_launch_leave_a_verb_of_one_process_alone(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["alphanet", "profile", "a0"])
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("ALPHANET_VERB", "1")
    monkeypatch.setenv("RANK", "1")
    assert main() == 0
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("RANK", "0")
    assert main() == 0
    said = capsys.readouterr()
    assert "203" in said.out
    assert "profile works in one process" in said.err
    assert "WORLD_SIZE" not in os.environ, "or Accelerate would wait for the others"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "options", "found"),
    [
        ("search", [], "Pareto front on the search images"),
        ("publish", ["--tag", "small"], "Published to"),
        ("evaluate", ["--arch", "0.35x"], "top1"),
    ],
)
def test_accelerate_launches_two_processes_that_do_the_work_once(trained, tmp_path, monkeypatch, verb, options, found):
    folder, alone = trained
    shared = shutil.copytree(folder if verb == "search" else alone, tmp_path / "shared")
    out, err = (process := accelerate(verb, str(shared), *options, home=tmp_path / "two")).communicate(timeout=280)
    assert process.returncode == 0, err[-3000:]
    assert out.count(found) == 1, out
    assert "Traceback" not in err
    assert (shared / "search.jsonl").read_bytes() == (alone / "search.jsonl").read_bytes()
    if verb == "publish":
        monkeypatch.setenv("ALPHANET_HOME", str(tmp_path / "one"))
        publish(runs.open_run(shared, ["publish.tag=small"]), None)
        assert_same_weights(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_one_that_is_killed_ends_the_search_with_a_word_and_the_search_goes_on(trained, tmp_path, rank):
    folder, _ = trained
    shared = shutil.copytree(folder, tmp_path / "shared")
    sizes = ["--set", "search.num_random=4000", "--set", "search.stages=[]"]
    process = accelerate("search", str(shared), *sizes, home=tmp_path / "home")
    victim = wait_for(lambda: worker_of(shared, rank))
    wait_for(lambda: lines(shared / "search.jsonl") > 3)
    os.kill(victim, signal.SIGKILL)
    _, err = process.communicate(timeout=280)
    assert process.returncode != 0
    assert re.search("alphanet: error: (ended from outside|process . of 2 has died)", err), err[-3000:]
    written = (shared / "search.jsonl").read_bytes()
    assert written.endswith(b"\n") or rank == 0, "the first alone writes"
    assert not list(shared.glob(".*.owner")) or rank == 0
    assert main(["search", str(shared)]) == 0, "by one process, in other sizes"
    assert (shared / "search.jsonl").read_bytes().startswith(written.rpartition(b"\n")[0])


@pytest.mark.slow
def test_without_a_launcher_s_watch_the_others_end_when_the_first_is_gone(trained, tmp_path):
    folder, _ = trained
    shared = shutil.copytree(folder, tmp_path / "shared")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(one.getsockname()[1]), "WORLD_SIZE": "2"}
    command = [sys.executable, "-m", "alphanet_plugin", "search", str(shared), "--set", "search.num_random=4000"]
    first, second = (
        subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=environment(tmp_path, RANK=str(rank), **address)
        )
        for rank in (0, 1)
    )
    wait_for(lambda: lines(shared / "search.jsonl") > 3)
    first.kill()
    _, err = second.communicate(timeout=120)
    assert second.returncode == 2
    assert err.startswith("alphanet: error: process 0 of 2 has died")
    assert err.count("\n") == 1
    first.communicate()


def wait_for(found, seconds=200):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if result := found():
            return result
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def lines(path):
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def worker_of(folder, rank):
    """The process of a rank that searches a folder; None where there is none yet."""
    for process in psutil.process_iter(["pid", "cmdline", "environ"]):
        command, variables = process.info["cmdline"] or (), process.info["environ"] or {}
        if str(folder) in command and variables.get("RANK") == str(rank):
            return process.info["pid"]
    return None
