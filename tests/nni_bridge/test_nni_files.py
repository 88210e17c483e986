"""configs/nni: what NNI makes of each file, and what stands in it for people."""

import itertools
import json
import shlex
import subprocess
import sys

import nni_experiment
import pytest
import yaml
from nni.experiment.config import ExperimentConfig

from alphanet_plugin.cli.main import build_parser
from alphanet_plugin.cli.train import _source
from alphanet_plugin.nni_bridge.hpo.evolution_arguments import EvolutionArgumentsValidator
from alphanet_plugin.nni_bridge.hpo.hpo_trial import overrides_of
from alphanet_plugin.runs import build_timeline, read_config
from alphanet_plugin.shipped import shipped

FOLDER = shipped("configs/nni")
OTHERS = {"algorithms.yaml", "alphanet_digits.yaml"}  # for nnictl algo register, and for alphanet nni run
EXPERIMENTS = sorted({path.name for path in FOLDER.glob("*.yaml")} - OTHERS)
TRAINING = ["hpo_deps.yaml", "hpo_kd.yaml"]  # trials that train
ELSEWHERE = ["kubernetes.yaml", "remote.yaml"]  # need machines that are not here

# explained in search_subnets.yaml
CLASS_ARGS = ("min_mflops", "max_mflops", "num_random", "num_parents", "num_crossovers", "num_mutations", "num_rounds",
              "max_retries")  # fmt: skip


def read(name):
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def test_the_files_are_these():
    assert [*TRAINING, "kubernetes.yaml", "remote.yaml", "search_subnets.yaml"] == EXPERIMENTS


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_nni_takes_the_file(name, tmp_path, monkeypatch):
    key = tmp_path / ".ssh/id_rsa"  # remote.yaml's, which NNI looks for
    key.parent.mkdir()
    key.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    config = ExperimentConfig.load(FOLDER / name)
    values = config.json()  # validates
    assert values["trialCommand"] == values["trainingService"]["trialCommand"]
    assert values["trainingService"]["platform"] == {"kubernetes.yaml": "kubeflow", "remote.yaml": "remote"}.get(
        name, "local"
    )


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_says_at_its_head_what_was_not_run(name):
    head = (FOLDER / name).read_text(encoding="utf-8").partition("experimentName")[0]
    assert ("Not run here: needs" in head) == (name in ELSEWHERE)


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name not in TRAINING])
def test_the_tuner_takes_its_arguments(name):
    EvolutionArgumentsValidator().validate_class_args(**read(name)["tuner"]["classArgs"])


def training_arguments(name):
    """What a trial's `alphanet train` is given."""
    _, _, words = read(name)["trialCommand"].partition(" -m alphanet_plugin ")
    return build_parser().parse_args(shlex.split(words))


def ends_of(choice):
    """The first and the last value that NNI may choose; of a nested choice those of its keys."""
    if choice["_type"] != "choice":
        return choice["_value"][:2]
    return [
        {key: value if key == "_name" else ends_of(value)[end] for key, value in one.items()}
        if isinstance(one, dict)
        else one
        for one in choice["_value"]
        for end in (0, 1)
    ]


@pytest.mark.parametrize("name", TRAINING)
def test_every_choice_is_a_run(name):
    arguments = training_arguments(name)
    assert arguments.nni
    path, overrides = _source(arguments)
    space = read(name)["searchSpace"]
    names = set()
    for values in itertools.product(*map(ends_of, space.values())):
        config = read_config(path, [*overrides, *overrides_of(dict(zip(space, values, strict=True)))])
        timeline = build_timeline(config, 4)
        assert [len(phase.steps) > 0 for phase in timeline.phases]
        names.add(config.kd.name)
    assert (
        names
        == {"hpo_deps.yaml": {"kl", "reverse_kl", "adaptive_alpha"}, "hpo_kd.yaml": {"adaptive_alpha", "kl"}}[name]
    )


@pytest.mark.parametrize("name", ELSEWHERE)
def test_every_key_is_explained(name):
    explained, above = set(), ""
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        key = line.strip().removeprefix("- ").partition(":")[0]
        if line.strip() and not line.strip().startswith("#") and key not in ("arch", "tuner", "classArgs", *CLASS_ARGS):
            assert "#" in line or above.strip().startswith("#") or key in explained, line
            explained.add(key)
        above = line


@pytest.mark.slow
def test_registers_by_name(tmp_path):
    nni_experiment.copy_configs(tmp_path)
    done = nni_experiment.run(tmp_path, "nnictl", "algo", "register", "--meta", "configs/nni/algorithms.yaml")
    assert "AlphaNetEvolution registered" in done.stdout
    shown = nni_experiment.run(tmp_path, "nnictl", "algo", "show", "AlphaNetEvolution").stdout
    assert json.loads(shown)["className"] == "alphanet_tuner.EvolutionTuner"
    code = (
        "from nni.tools.package_utils import tuner_factory as f\n"
        "print(type(f.create_builtin_class_instance('AlphaNetEvolution', {'run': 'r'}, 'tuners')).__module__)\n"
        "f.create_validator_instance('tuners', 'AlphaNetEvolution').validate_class_args(run='r', max_mflop=3)\n"
    )
    done = nni_experiment.run(tmp_path, sys.executable, "-c", code, check=False)
    assert done.stdout.splitlines()[-1] == "alphanet_tuner"
    assert "did you mean 'max_mflops'" in done.stderr


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("alphanet_tuner", ["torch", "timm", "alphanet_plugin"]),  # NNI gives a tuner ten seconds
        ("alphanet_plugin.nni_bridge.hpo.search_trial", ["lightning", "pytorch_lightning", "nni.nas", "matplotlib"]),
        ("alphanet_plugin.nni_bridge.hpo.tuner", ["lightning", "pytorch_lightning", "nni.nas"]),
        ("alphanet_plugin.nni_bridge", ["nni"]),
    ],
)
def test_imports_no_more_than_it_needs(module, absent):
    code = f"import {module}, sys; print([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
