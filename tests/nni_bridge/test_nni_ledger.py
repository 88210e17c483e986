"""A search's ledger, and NNI's TPE behind it: nothing measured is lost, nothing handed out is forgotten."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from alphanet_plugin.config import FinetuneConfig, FinetuneDataConfig, FinetuneModelConfig, RateSearchConfig
from alphanet_plugin.errors import InUseError, SearchError
from alphanet_plugin.nni_bridge.hpo.hpo_experiment import HpoSettings, run_hpo
from alphanet_plugin.nni_bridge.hpo.ledger_tuner import LedgerTuner
from alphanet_plugin.nni_bridge.hpo.leftover_manager import may_be_left, note_manager, stop_leftover
from alphanet_plugin.nni_bridge.hpo.transfer import search_rates
from alphanet_plugin.nni_bridge.hpo.trial_ledger import TrialLedger
from alphanet_plugin.runs import FinetuneFolder

SPACE = {"lr": {"_type": "loguniform", "_value": [1e-4, 1e-1]}}


@pytest.fixture
def ledger(tmp_path):
    return TrialLedger(tmp_path / "trials")


def tuner_of(ledger, startup=2, seed=1):
    args = {"optimize_mode": "maximize", "seed": seed, "tpe_args": {"n_startup_jobs": startup}}
    tuner = LedgerTuner(ledger, "TPE", args)
    tuner.update_search_space(SPACE)
    return tuner


def end(ledger, tuner, parameter_id, given, value=None):
    """What a trial does at its end: first the ledger, then NNI."""
    result = {"default": given["lr"] if value is None else value, "trial": given["trial"]}
    ledger.end(given["trial"], result)
    tuner.receive_trial_result(parameter_id, given, result)


def test_the_ledger_keeps_trials_in_order(ledger):
    assert [ledger.add({"lr": 0.1 * number}).number for number in range(12)] == list(range(12))
    assert [trial.number for trial in ledger.trials()] == list(range(12))
    ledger.end(7, {"default": 1.0})
    ledger.end(7, {"default": 2.0})  # the first one counts
    assert [(trial.number, trial.result) for trial in ledger.ended()] == [(7, {"default": 1.0})]
    with pytest.raises(SearchError, match="no trial 12"):
        ledger.end(12, {})


def test_a_damaged_file_is_named(ledger):
    trial = ledger.add({"lr": 0.1})
    (trial.folder / "result.json").write_text('{"default": 1')
    with pytest.raises(SearchError, match=r"0000/result\.json.*delete"):
        ledger.ended()


def test_a_trial_knows_its_number_and_is_written_down_first(ledger):
    given = tuner_of(ledger).generate_parameters(5)
    assert given["trial"] == 0
    assert ledger[0].parameters == {"lr": given["lr"]}


def test_results_reach_tpe_by_the_trials_number(ledger):
    """NNI may give a trial other parameters than those of the id that it is listed with."""
    tuner = tuner_of(ledger)
    first, second = tuner.generate_parameters(0), tuner.generate_parameters(1)
    end(ledger, tuner, 1, first, 70.0)
    end(ledger, tuner, 0, second, 80.0)
    history = {(record.param, -record.loss) for records in tuner.inner._history.values() for record in records}
    assert sorted(loss for _, loss in history) == [70.0, 80.0]
    by_loss = {loss: param for param, loss in history}
    assert (by_loss[70.0] < by_loss[80.0]) == (first["lr"] < second["lr"])


def test_a_new_experiment_goes_on(ledger):
    tuner = tuner_of(ledger)
    given = [tuner.generate_parameters(number) for number in range(3)]
    end(ledger, tuner, 0, given[0], 90.0)
    # killed here, with trials 1 and 2 unfinished
    again = tuner_of(ledger)
    assert [len(records) for records in again.inner._history.values()] == [1]
    assert [again.generate_parameters(number) for number in (0, 1)] == given[1:]
    new = again.generate_parameters(2)
    assert new["trial"] == 3
    for parameter_id, trial in enumerate((*given[1:], new)):
        end(ledger, again, parameter_id, trial)
    assert [len(records) for records in again.inner._history.values()] == [4]
    assert [trial.number for trial in ledger.ended()] == [0, 1, 2, 3]


def test_what_an_assessor_stops_is_kept(ledger):
    tuner = tuner_of(ledger)
    given = tuner.generate_parameters(0)
    tuner.receive_trial_result(0, given, {"default": 12.5, "trial": 0})  # the dispatcher's, of the last epoch
    assert ledger[0].result == {"default": 12.5, "trial": 0, "stopped_early": True}


def test_a_failed_trial_is_handed_out_again_next_time(ledger):
    tuner = tuner_of(ledger)
    given = tuner.generate_parameters(0)
    tuner.trial_end(0, False)
    assert tuner_of(ledger).generate_parameters(0) == given


def test_after_random_ones_tpe_stays_near_the_best(ledger):
    tuner = tuner_of(ledger, startup=8)
    for number in range(40):
        given = tuner.generate_parameters(number)
        end(ledger, tuner, number, given, 100 - 1000 * abs(given["lr"] - 0.02))
    late = [trial.parameters["lr"] for trial in ledger.trials()[25:]]
    assert sum(0.005 < lr < 0.06 for lr in late) > len(late) * 0.6


HOLD = """
import fcntl, sys
with open(sys.argv[1], "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_two_processes_do_not_search_in_one_folder(tmp_path):
    settings = HpoSettings(name="rates", search_space={}, command="false", trials=0, tuner_args={})
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / ".owner")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InUseError, match=r"the search in .* is in use by another process"):
            run_hpo(tmp_path, TrialLedger(tmp_path), settings)
        other.communicate("\n")
    run_hpo(tmp_path, TrialLedger(tmp_path), settings)


@pytest.mark.parametrize("content", ["", "[]", '{"id": "gone"}', '{"x": 1}'])
def test_no_leftover_is_no_error(tmp_path, content):
    (tmp_path / "experiment.json").write_text(content)
    stop_leftover(tmp_path)
    assert not may_be_left(tmp_path)


def test_another_programs_process_is_left_alone(tmp_path, monkeypatch):
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    known = {"mine": {"id": "mine", "pid": other.pid, "status": "RUNNING"}}
    manifest = SimpleNamespace(get_all_experiments=lambda: known)
    monkeypatch.setattr("nni.tools.nnictl.config_utils.Experiments", lambda: manifest)
    note_manager(tmp_path, "mine")
    stop_leftover(tmp_path)
    assert other.poll() is None
    other.communicate(b"\n")


def test_a_search_that_ended_after_its_starter_was_killed_leaves_no_manager(tmp_path, monkeypatch):
    config = FinetuneConfig(
        output=str(tmp_path),
        model=FinetuneModelConfig(name="test_resnet"),
        data=FinetuneDataConfig(name="digits"),
        search=RateSearchConfig(trials=1),
    )
    folder = FinetuneFolder(tmp_path)
    ledger = TrialLedger(folder.trials)
    ledger.end(ledger.add({"lr": 0.1}).number, {"default": 90.0})
    note_manager(folder.experiments, "mine")
    with subprocess.Popen([sys.executable, "-c", "input()", "mine"], stdin=subprocess.PIPE) as manager:
        known = {"mine": {"id": "mine", "pid": manager.pid, "status": "RUNNING"}}
        manifest = SimpleNamespace(get_all_experiments=lambda: known)
        monkeypatch.setattr("nni.tools.nnictl.config_utils.Experiments", lambda: manifest)
        search_rates(config)
        manager.wait(timeout=10)  # TimeoutExpired if it goes on
    assert not may_be_left(folder.experiments)
