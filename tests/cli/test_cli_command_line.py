"""What surrounds the verbs: help without torch, the version, mistyped verbs, closed pipes, defects, devices, JSON."""

import importlib
import io
import json
import queue
import re
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from alphanet_plugin import __version__, get_space
from alphanet_plugin.cli import doctor, profile, progress
from alphanet_plugin.cli import main as cli_main
from alphanet_plugin.cli.main import main
from alphanet_plugin.cli.process import check_device
from alphanet_plugin.cli.progress import progress_bar
from alphanet_plugin.evaluation import count_operations
from alphanet_plugin.models import build_static
from alphanet_plugin.spaces import list_spaces

LAUNCH = "import sys, alphanet_launcher; sys.argv = ['alphanet', *sys.argv[1:]]; "


def test_help_imports_neither_torch_nor_timm():
    code = LAUNCH + (
        "import atexit; atexit.register(lambda: print('imported', {'torch', 'timm', 'nni'} & set(sys.modules)));"
        "alphanet_launcher.main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    assert "imported set()" in done.stdout
    assert all(f"\n    {verb}" in done.stdout for verb in cli_main.VERBS)


def test_a_verb_started_so_knows_the_models():
    code = LAUNCH + "alphanet_launcher.main(); import timm; assert timm.is_model('alphanet_a0')"
    done = subprocess.run([sys.executable, "-c", code, "profile", "a0"], capture_output=True, text=True, check=True)
    assert "MFLOPs" in done.stdout


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"alphanet {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "there is no verb trian; did you mean 'train'?"),
        (["--debug", "serach", "x"], "did you mean 'search'?"),
        (["import_"], "did you mean 'import'?"),
        (["qqq"], "there is no verb qqq; known are quickstart, train"),
        (["search"], "RUN (see alphanet search --help)"),
        (["profile"], "arch (see alphanet profile --help)"),
        (["profile", "a0", "--classes", "many"], "invalid int value: 'many'"),
        (["train", "--confg", "x.yaml"], "--confg x.yaml; did you mean --config? (see alphanet train --help)"),
        (["train", "--Config=x.yaml"], "did you mean --config?"),
        (["search", "run", "--latecny", "cpu"], "did you mean --latency?"),
        (["nni", "run", "x.yaml", "--prot", "80"], "did you mean --port? (see alphanet nni run --help)"),
        (["--debgu", "profile", "a0"], "did you mean --debug? (see alphanet --help)"),
        (["profile", "a0", "--qqq"], "unrecognized arguments: --qqq (see alphanet profile --help)"),
        (["profile", "a0", "a1"], "unrecognized arguments: a1 (see alphanet profile --help)"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("alphanet: error: ")
    assert message in line


def test_a_closed_pipe_is_no_error():
    code = (
        "import os, sys; from alphanet_plugin.cli.main import main; read, write = os.pipe(); os.dup2(write, 1);"
        "os.close(read); os.close(write); sys.exit(main(['models']))"
    )
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_torchvision_for_another_torch_is_named(monkeypatch, capsys):
    """torch for CPUs with torchvision for CUDA, which a second index can bring together."""
    failure = RuntimeError("operator torchvision::nms does not exist")

    def load(name, package=None):
        if name in ("..models", "torchvision"):
            raise failure
        return importlib.import_module(name, package)

    for module in (cli_main, doctor):
        monkeypatch.setattr(module, "import_module", load)
    assert main(["models"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"alphanet: error: torch, torchvision or timm cannot be loaded ({failure}); install")
    assert main(["doctor", "--json"]) == 0
    versions = json.loads(capsys.readouterr().out)["versions"]
    assert f"(cannot be loaded: {failure}; " in versions["torchvision"]
    assert "cannot" not in versions["torch"]


def test_a_defect_is_one_line_and_status_1(monkeypatch, capsys):
    def broken(_):
        raise TypeError("a defect\n  over two lines")

    monkeypatch.setattr(profile, "run", broken)
    assert main(["profile", "a0"]) == 1
    assert capsys.readouterr().err == (
        "alphanet: internal error: TypeError: a defect over two lines (--debug shows the traceback)\n"
    )
    with pytest.raises(TypeError, match="a defect"):
        main(["profile", "a0", "--debug"])


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "meta9"])
def test_a_device_that_is_not_here_is_named(device, capsys):
    check_device(None)
    check_device("cpu")
    with pytest.raises(ValueError, match=f"--device {device} cannot be used here .*; here are cpu"):
        check_device(device)
    assert main(["profile", "a0", "--device", device]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"alphanet: error: --device {device}")


def test_json(capsys):
    assert main(["profile", "a0", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["mflops"] == pytest.approx(203.393, abs=0.1)
    assert figures["arch"]["resolution"] == 192
    assert main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {entry["name"] for entry in listed["entries"]} >= {"alphanet_a0", "attentive_nas_a6"}
    assert listed["published"] == []
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["versions"]["alphanet"] == __version__
    assert {"torch", "OMP_NUM_THREADS"} <= set(found["threads"])


TABLE = str(Path(__file__).parent.parent / "data" / "small_space.yaml")


@pytest.mark.parametrize("space", [*list_spaces(), pytest.param(TABLE, id="a_users_table")])
def test_profile_of_every_space_by_name_and_of_a_users_table(space, capsys):
    for arch in ("smallest", "largest"):
        command = ["profile", arch, "--space", space, "--resolutions", "32", "--classes", "10", "--json"]
        assert main(command) == 0
        found = json.loads(capsys.readouterr().out)
        network = build_static(get_space(space, resolutions=(32,)), found["arch"], num_classes=10)
        counted = count_operations(network, (3, 32, 32))
        assert (found["mflops"], found["params"]) == (counted.multiply_adds / 1e6, counted.params)


def test_profile_measures_a_users_network(capsys):
    assert main(["profile", "largest", "--space", TABLE, "--latency", "--json"]) == 0
    latency = json.loads(capsys.readouterr().out)["latency"]
    assert (latency["input_size"], latency["median_ms"] > 0) == ([3, 24, 24], True)


def test_models_says_what_could_be_imported(capsys):
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    command = "alphanet import CHECKPOINT --space attentive_nas --family attentive_nas --calibrate IMAGE_FOLDER"
    assert f"  attentive_nas_a0 ... (cc-by-nc-4.0): {command}" in said
    assert "  ofa_mbv3_largest ... (mit): alphanet import CHECKPOINT --space ofa_mbv3 --calibrate" in said
    assert "--space ofa_mbv3_cifar" not in said


def test_predict_names_the_classes(tmp_path, capsys):
    import timm
    from timm.models import save_for_hf

    model = timm.create_model("test_vit", num_classes=2)
    save_for_hf(model, str(tmp_path / "model"), model_config={"label_names": ["cat", "dog"]})
    Image.new("L", (20, 30), 128).save(tmp_path / "grey.png")
    assert main(["predict", str(tmp_path / "model"), str(tmp_path / "grey.png"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {one["name"] for one in said["classes"]} == {"cat", "dog"}
    assert sum(one["probability"] for one in said["classes"]) == pytest.approx(1, abs=1e-5)
    (tmp_path / "text.png").write_text("no image")
    assert main(["predict", str(tmp_path / "model"), str(tmp_path / "text.png")]) == 2
    assert re.search(r"error: image .*text\.png cannot be read \(cannot identify", capsys.readouterr().err)


def test_without_a_terminal_a_stage_says_how_far_it_is(capsys):
    with progress_bar("train") as advance:
        for step in range(3):
            advance(step + 1, 3, "loss {1}")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "train ..."
    assert lines[-1].startswith("train     3/3 0:0")
    assert lines[-1].endswith("loss {1}")
    with progress_bar("train", shown=False) as advance:
        advance(1, 2)
    assert capsys.readouterr().err == ""


@pytest.fixture
def spoken(monkeypatch):
    """The lines on standard error, to wait for; `capsys` loses what is written while it is read."""
    lines = queue.SimpleQueue()
    monkeypatch.setattr(progress, "_write", lines.put)
    for pause in ("_OPENING", "_FIRST_LINE", "_LATER_LINES"):
        monkeypatch.setattr(progress, pause, 0.01)
    return lines


def after(line, spoken):
    """What is said next."""
    while spoken.get() != line:
        pass
    return spoken.get()


def test_a_stage_is_not_silent_while_one_step_takes_long(spoken):
    with progress_bar("calibrate") as advance:
        advance(1, 10, "a0")
        assert spoken.get() == "calibrate ..."
        while not spoken.get().startswith("calibrate 1/10 0:0"):
            pass
        assert spoken.get().startswith("calibrate 1/10 0:0")


def test_a_verb_says_again_what_it_is_at(spoken):
    with progress.said_if_slow("alphanet evaluate ..."):
        assert spoken.get() == "alphanet evaluate ..."
        assert re.fullmatch(r"alphanet evaluate \.\.\. 0:\d\d", spoken.get())
        progress.say("reading a.pth ...")
        assert re.fullmatch(r"reading a\.pth \.\.\. 0:\d\d", after("reading a.pth ...", spoken))
        progress.say("images: 48 pixels")
        assert after("images: 48 pixels", spoken).startswith("alphanet evaluate ... 0:"), "it is read"
    assert progress._notice is None


def test_a_verb_says_when_it_has_loaded(spoken):
    with progress.said_if_slow("loading torch and timm ..."):
        assert spoken.get() == "loading torch and timm ..."
        progress.say_if_slow("alphanet evaluate ...")
        assert re.fullmatch(r"alphanet evaluate \.\.\. 0:\d\d", after("alphanet evaluate ...", spoken))


def test_a_verb_that_another_program_calls_says_nothing(capsys):
    progress.say_if_slow("alphanet evaluate ...")
    assert capsys.readouterr().err == ""


def test_a_verb_leaves_the_word_to_a_bar(monkeypatch, spoken):
    monkeypatch.setattr(progress, "_FIRST_LINE", 30.0)
    with progress.said_if_slow("alphanet evaluate ..."):
        assert spoken.get() == "alphanet evaluate ..."
        with progress_bar("evaluate"):
            while spoken.get() != "evaluate ...":
                pass
            assert not threading.Event().wait(0.1)  # ten lines' time
            assert spoken.empty()
        assert spoken.get().startswith("alphanet evaluate ... 0:")


def test_what_is_printed_under_a_bar_goes_into_a_file(monkeypatch):
    """As of `alphanet study ... > lines.txt` on a terminal; rich would send it to the terminal."""
    terminal = Console(file=io.StringIO(), force_terminal=True, force_jupyter=False)
    monkeypatch.setattr(progress, "Console", lambda **_: terminal)
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with progress_bar("study"):
        print("[1/5] done")
    assert sys.stdout.getvalue() == "[1/5] done\n"
    assert "study" in terminal.file.getvalue()


def test_a_command_in_a_notebooks_cell_says_it_in_lines(monkeypatch, capsys):
    """Jupyter gives `!alphanet ...` a terminal, but a bar's redrawings would all stay in the cell."""
    console = types.SimpleNamespace(is_jupyter=False, is_terminal=True)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    with progress_bar("train") as advance:
        advance(3, 3)
    assert capsys.readouterr().err.splitlines()[0] == "train ..."


def test_in_a_notebook_a_bar_is_drawn_in_its_place(monkeypatch, capsys):
    drawn = []

    class Handle:
        def update(self, shown, **_):
            drawn.append(shown)

    def display(shown, **_):
        drawn.append(shown)
        return Handle()

    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    monkeypatch.setattr(progress, "Console", lambda **_: types.SimpleNamespace(is_jupyter=True, is_terminal=False))
    with progress_bar("train") as advance:
        for step in range(1, 4):
            advance(step, 3, "loss <1>", "full")
        advance(1, 9, "", "shrink")
        monkeypatch.setattr(progress, "_REDRAWN", 0.0)
        advance(2, 9, "", "shrink")
    assert drawn[0]["text/html"] == "<code>train ...</code>"
    full, shrink = drawn[-1]["text/plain"].splitlines()
    assert re.fullmatch(r"full 3/3 0:\d\d loss <1>", full)
    assert re.fullmatch(r"shrink 2/9 0:\d\d", shrink)
    assert '<progress value="3" max="3"></progress> <code>full 3/3' in drawn[-1]["text/html"]
    assert "loss &lt;1&gt;" in drawn[-1]["text/html"]
    assert len(drawn) < 6, "not at every step"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("verb", cli_main.VERBS)
def test_every_verb_says_what_it_is_at(verb, monkeypatch):
    """Of several ranks the first alone; help is quick."""
    said = []
    monkeypatch.setattr(progress, "said_if_slow", said.append)
    monkeypatch.delenv("RANK", raising=False)
    cli_main._said_if_slow(verb, [verb])
    cli_main._said_if_slow(verb, [verb, "--help"])
    monkeypatch.setenv("RANK", "1")
    cli_main._said_if_slow(verb, [verb])
    assert said == ["loading torch and timm ..."]


def test_what_is_done_soon_needs_no_word(capsys):
    with progress.said_if_slow("alphanet models ..."):
        pass
    assert capsys.readouterr().err == ""


def test_predict_prepares_as_evaluate_does(tmp_path, capsys):
    """16 bits of grey are grey, at the size and crop of testing; figures of a batch prepared by timm."""
    import timm
    import torch
    from timm.models import save_for_hf

    model = timm.create_model("test_efficientnet", num_classes=3).eval()
    model.pretrained_cfg = {
        **model.pretrained_cfg,
        "test_input_size": (3, 48, 48),
        "crop_mode": "squash",
        "std": (1, 1, 1),
    }
    save_for_hf(model, str(tmp_path / "model"), model_config={"label_names": ["a", "b", "c"]})
    values = np.linspace(0, 65535, 60 * 40).reshape(40, 60).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    assert main(["predict", str(tmp_path / "model"), str(tmp_path / "deep.png"), "--json"]) == 0
    printed = capsys.readouterr()
    assert "images: 48 pixels, bicubic, crop 0.95 (squash)" in printed.err
    grey = Image.fromarray(((values.astype(int) + 128) // 257).astype(np.uint8)).convert("RGB")
    prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(model, use_test_size=True))
    with torch.no_grad():
        wanted = model(prepare(grey)[None])[0].softmax(-1).tolist()
    found = {one["class"]: one["probability"] for one in json.loads(printed.out)["classes"]}
    assert found == pytest.approx(dict(enumerate(wanted)), abs=2e-6)
