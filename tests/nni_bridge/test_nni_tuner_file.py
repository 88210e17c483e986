"""`alphanet nni run` on a file of `nnictl create`."""

import nni_experiment
import pytest
import yaml
from nni.experiment import ExperimentConfig

from alphanet_plugin.errors import ConfigError
from alphanet_plugin.nni_bridge.hpo.tuner_experiment import is_tuner_file, run_tuner_file
from alphanet_plugin.shipped import shipped

CONTENT = {
    "experimentName": "none",
    "trialCodeDirectory": ".",
    "trialCommand": "false",
    "trialConcurrency": 1,
    "searchSpace": {"arch": {"_type": "choice", "_value": ["x"]}},
    "tuner": {"className": "alphanet_tuner.EvolutionTuner", "codeDirectory": ".", "classArgs": {"run": "nothing"}},
    "trainingService": {"platform": "local"},
}


def write(folder, **changed):
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump({**CONTENT, **changed}), encoding="utf-8")
    return file


def test_it_is_known_by_its_trials():
    files = {path.name: yaml.safe_load(path.read_text()) for path in shipped("configs/nni").glob("*.yaml")}
    assert is_tuner_file(files["search_subnets.yaml"])
    assert not is_tuner_file(files["alphanet_digits.yaml"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"tuner": {"className": "my.Tuner", "codeDirectory": "."}},
            "className must be alphanet_tuner.EvolutionTuner here, or .* by name; .*nnictl create",
        ),
        ({"tuner": {"name": "Evolutoin"}}, "tuner: NNI knows no 'Evolutoin'; did you mean 'Evolution'"),
        ({"tuner": {"name": "TPE", "classArgs": {"optimise": "maximize"}}}, "tuner TPE: .*optimise"),
        ({"tuner": {**CONTENT["tuner"], "classArgs": {"run": "r", "max_mflop": 3}}}, "did you mean 'max_mflops'"),
        ({"trialConcurency": 1}, "NNI does not take it: .*trialconcurency"),
    ],
)
def test_what_is_wrong_is_said_before_anything_begins(tmp_path, changed, message):
    with pytest.raises(ConfigError, match=message):
        run_tuner_file(write(tmp_path, **changed), port=1)
    ExperimentConfig.load(str(write(tmp_path)))  # NNI still reads files in this process


@pytest.mark.slow
def test_one_of_nnis_tuners_to_the_end(tmp_path):
    program = "import nni; nni.report_final_result(nni.get_next_parameter()['x'])"
    (tmp_path / "trial.py").write_text(program, encoding="utf-8")
    space = {"x": {"_type": "uniform", "_value": [0, 1]}}
    tuner = {"name": "TPE", "classArgs": {"optimize_mode": "maximize", "seed": 1}}
    write(tmp_path, tuner=tuner, searchSpace=space, trialCommand="python trial.py", maxTrialNumber=2)
    port = str(nni_experiment.free_port())
    done = nni_experiment.run(tmp_path, "alphanet", "nni", "run", "experiment.yaml", "--port", port)
    first, last = done.stdout.splitlines()
    assert first.endswith(f": http://localhost:{port} while it runs")
    assert f"nnictl view {first.split()[1].rstrip(':')} --port {port}" in last
    assert done.stderr.splitlines()[-1].startswith("trials    2/2 ")


@pytest.mark.slow
def test_an_error_of_the_tuner_is_one_line(tmp_path):
    write(tmp_path)
    port = str(nni_experiment.free_port())
    done = nni_experiment.run(tmp_path, "alphanet", "nni", "run", "experiment.yaml", "--port", port, check=False)
    assert done.returncode == 2
    assert "holds no trained run" in done.stderr.splitlines()[-1]
