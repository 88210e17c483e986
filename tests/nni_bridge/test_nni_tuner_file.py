"""`alphanet nni run` on a file of `nnictl create`."""

import signal
import socket
import subprocess
import types
from contextlib import suppress

import nni_experiment
import pytest
import yaml
from nni.experiment import Experiment, ExperimentConfig

from alphanet_plugin.errors import ConfigError, SearchError
from alphanet_plugin.nni_bridge.hpo import manager_start
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

TPE = {"name": "TPE", "classArgs": {"optimize_mode": "maximize", "seed": 1}}


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
        ({"trialConcurrency": -1}, "NNI does not take it: assert trial_concurrency > 0"),
        (
            {"searchSpace": {"x": {"_type": "unifrom", "_value": [0, 1]}}},
            'search space "x" .*unsupported type "unifrom"',
        ),
        ({"searchSpace": {"x": [0, 1]}}, 'search space "x" is a list'),
        ({"searchSpace": [1, 2]}, "search space is a list"),
    ],
)
def test_what_is_wrong_is_said_before_anything_begins(tmp_path, changed, message):
    with pytest.raises(ConfigError, match=message):
        run_tuner_file(write(tmp_path, **changed), port=1)
    ExperimentConfig.load(str(write(tmp_path)))  # NNI still reads files in this process


def test_a_port_where_another_experiment_may_answer_is_refused(tmp_path):
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SearchError, match=rf"port {port} cannot be had \(Address already in use\); .* --port"):
            run_tuner_file(write(tmp_path, tuner=TPE), port=port)


def test_a_manager_that_is_silent_for_a_moment_is_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(manager_start, "_PAUSE", 0.0)
    experiment = Experiment(ExperimentConfig.load(str(write(tmp_path, tuner=TPE))))
    answers = [ConnectionError("refused"), ConnectionError("refused"), "RUNNING"]

    def ask():
        answer = answers.pop(0) if answers else ConnectionError("refused")
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert manager_start.ask_manager(experiment, ask) == "RUNNING"
    with pytest.raises(SearchError, match=rf"{experiment.id} does not answer any more .*{experiment.id}/log"):
        manager_start.ask_manager(experiment, ask)


def test_a_failed_tuner_is_not_waited_for(tmp_path):
    experiment = Experiment(ExperimentConfig.load(str(write(tmp_path, tuner=TPE))))
    manager_start.check_tuner(experiment, types.SimpleNamespace(worker_exceptions=[]))
    failed = types.SimpleNamespace(worker_exceptions=[KeyError("lr")])
    with pytest.raises(SearchError, match=rf"{experiment.id} failed: .*: KeyError: 'lr'; see .*/log"):
        manager_start.check_tuner(experiment, failed)


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["the manager", "the program", "the terminal"])
def test_a_manager_does_not_outlive_its_program_nor_the_program_its_manager(tmp_path, killed):
    import psutil

    write(tmp_path, tuner=TPE, trialCommand="sleep 100")
    command = ["alphanet", "nni", "run", "experiment.yaml", "--port", str(nni_experiment.free_port())]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=nni_experiment.environment(tmp_path), **pipes) as program:
        assert program.stdout.readline().startswith("experiment ")
        (manager,) = [child for child in psutil.Process(program.pid).children(recursive=True) if child.name() == "node"]
        try:
            if killed == "the manager":
                manager.kill()
            else:
                program.send_signal(signal.SIGTERM if killed == "the program" else signal.SIGHUP)
            said = program.communicate(timeout=60)[1].splitlines()[-1]
            assert killed != "the manager" or "any more (ConnectionError); was it killed? See" in said
            assert not manager.is_running()
        finally:
            for process in (program, manager):
                with suppress(psutil.NoSuchProcess):
                    process.kill()


@pytest.mark.slow
def test_one_of_nnis_tuners_to_the_end(tmp_path):
    program = "import nni; nni.report_final_result(nni.get_next_parameter()['x'])"
    (tmp_path / "trial.py").write_text(program, encoding="utf-8")
    space = {"x": {"_type": "uniform", "_value": [0, 1]}}
    write(tmp_path, tuner=TPE, searchSpace=space, trialCommand="python trial.py", maxTrialNumber=2)
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
