"""NAS experiments from YAML: what a file may say, the shipped one run as written, and resuming by id."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from alphanet_plugin.cli.main import main
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.nni_bridge import AccelerateEvaluator, AlphaNetStrategy, ElasticSpace
from alphanet_plugin.nni_bridge.nas.experiment import (
    EVALUATORS,
    SPACES,
    STRATEGIES,
    build_config,
    build_parts,
    read_sections,
    resume,
    run_file,
)
from alphanet_plugin.spaces import get_space

SHIPPED = Path(__file__).parents[2] / "configs" / "nni" / "alphanet_digits.yaml"
SMALL = {
    "experiment": {"experimentName": "small", "maxTrialNumber": 2},
    "space": {"name": "alphanet", "num_classes": 10, "resolutions": [16], "seed": 0},
    "evaluator": {
        "output": "run",
        "data": {"name": "digits", "image_size": 16},
        "training": {"epochs": 0, "batch_size": 256},
        "evaluation": {"search_calibration_batches": 1, "batch_size": 128},
    },
    "strategy": {"name": "random"},
}

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def write(folder, **changed):
    content = {name: {**SMALL.get(name, {}), **changed.get(name, {})} for name in {**SMALL, **changed}}
    (folder / "experiment.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder / "experiment.yaml"


def test_the_shipped_file_builds():
    sections = read_sections(SHIPPED)
    config = build_config(sections["experiment"])
    assert (config.experiment_name, config.max_trial_number) == ("AlphaNet on digits", 1)
    space, evaluator, strategy = build_parts(sections)
    assert type(space) is ElasticSpace
    assert isinstance(evaluator, AccelerateEvaluator)
    assert type(strategy) is AlphaNetStrategy
    assert strategy.kd == {"name": "adaptive_alpha", "alpha_min": -1.0, "alpha_max": 1.0, "clip": 5.0}


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_every_strategy_is_built_by_name(tmp_path, strategy):
    sections = read_sections(write(tmp_path))
    assert build_parts({**sections, "strategy": {"name": strategy}})[2]


@pytest.mark.parametrize("space", [name for name, kind in SPACES.items() if kind.startswith("nni.")])
def test_spaces_of_nnis_hub_are_built_by_name(tmp_path, space):
    sections = read_sections(write(tmp_path))
    assert build_parts({**sections, "space": {"name": space, "num_labels": 10}})[0].simplify()


@pytest.mark.parametrize(
    "section",
    [
        {"name": "us_mobilenet_v2", "resolutions": [24, 32]},
        {"name": "elastic", "space": "us_mobilenet_v2", "resolutions": [24, 32]},
        {"name": "elastic", "space": {"name": "us_mobilenet_v2", "resolutions": [24, 32]}},
    ],
)
def test_our_spaces_are_built_by_their_names(tmp_path, section):
    sections = read_sections(write(tmp_path))
    space = build_parts({**sections, "space": {**section, "num_classes": 10}})[0]
    assert space.space.to_config() == get_space("us_mobilenet_v2", resolutions=(24, 32)).to_config()


def test_a_strategy_takes_a_kd_section(tmp_path):
    sections = read_sections(write(tmp_path))
    strategy = {"name": "supernet", "kd": {"name": "reverse_kl", "temperature": 2.0}}
    assert build_parts({**sections, "strategy": strategy})[2].kd == {"name": "reverse_kl", "temperature": 2.0}
    with pytest.raises(ConfigError, match="did you mean 'temperature'"):
        build_parts({**sections, "strategy": {"name": "supernet", "kd": {"name": "kl", "temperatur": 2.0}}})


def test_evaluators_have_a_name():
    assert list(EVALUATORS) == ["accelerate"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"stategy": {}}, "section 'stategy' is not known; did you mean 'strategy'"),
        ({"experiment": {"maxTrialNumbers": 3}}, "'max_trial_numbers' is not known; did you mean 'max_trial_number'"),
        ({"space": {"name": "alphanets"}}, "space.name: 'alphanets' is not known; did you mean 'alphanet'"),
        ({"space": {"num_clases": 3}}, "space alphanet: 'num_clases' is not known; did you mean 'num_classes'"),
        ({"space": {"resolutions": [24, 16]}}, "space alphanet: resolutions are ascending"),
        ({"evaluator": {"training": {"epoch": 3}}}, "did you mean 'epochs'"),
        ({"evaluator": {"outputs": "x"}}, "evaluator accelerate: 'outputs' is not known; did you mean 'output'"),
        ({"strategy": {"name": "alphanet", "alpha_mim": 1}}, "'alpha_mim' is not known; did you mean 'alpha_min'"),
        ({"strategy": {"name": "alphanet", "num_candidate": 1}}, "did you mean 'num_candidates'"),
        ({"strategy": {"name": "evolution"}}, "did you mean 'regularized_evolution'"),
    ],
)
def test_a_typo_is_named_and_nothing_begins(tmp_path, nni_home, changed, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        run_file(write(tmp_path, **changed))
    assert not list(nni_home.glob("nni-experiments/*/checkpoint"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a", "must hold keys and values, not list"),
        ("space: {name: alphanet}", "has no section 'evaluator'"),
        ("{", "not valid YAML"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    (tmp_path / "file.yaml").write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_sections(tmp_path / "file.yaml")
    with pytest.raises(ConfigError, match="cannot read"):
        read_sections(tmp_path / "nothing.yaml")


def test_runs_to_its_end_and_resumes_by_id(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path, experiment={"experimentId": "mine"})
    assert main(["nni", "run", str(file), "--top", "1"]) == 0
    output = capsys.readouterr().out
    assert "experiment mine has ended" in output
    assert re.search(r"[0-9]+\.[0-9]{2}  +[0-9.]+ MFLOPs  resolution=16", output)
    assert main(["nni", "run", str(file)]) == 2
    assert "alphanet nni resume mine" in capsys.readouterr().err
    assert main(["nni", "resume", "mine"]) == 0
    assert "experiment mine has ended" in capsys.readouterr().out


def test_resuming_what_is_not_there():
    with pytest.raises(ConfigError, match="NNI knows no experiment 'nothing'"):
        resume("nothing")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_shipped_file_runs_as_written(tmp_path, nni_home):
    done = subprocess.run(
        [sys.executable, "-m", "alphanet_plugin", "nni", "run", "configs/nni/alphanet_digits.yaml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    best = re.search(r"best models.*\n +([0-9.]+) ", done.stdout)
    assert float(best[1]) > 30  # a tenth is chance; two short epochs
    assert (tmp_path / "runs" / "nni_digits" / "log.jsonl").is_file()
    (copy,) = nni_home.glob("nni-experiments/*/alphanet.yaml")
    assert copy.read_text() == SHIPPED.read_text()
    shutil.rmtree(tmp_path / "runs")
