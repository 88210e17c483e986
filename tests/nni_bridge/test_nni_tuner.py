"""The evolution as NNI's tuner: the same search as ours, whatever trials and threads do."""

import itertools
import json
import random
import threading

import nni
import pytest

from alphanet_plugin.config import SearchConfig
from alphanet_plugin.errors import AlphaNetError
from alphanet_plugin.nni_bridge import EvolutionTuner
from alphanet_plugin.nni_bridge.hpo import tuner
from alphanet_plugin.nni_bridge.hpo.evolution_arguments import MAX_FAILURES, EvolutionArgumentsValidator
from alphanet_plugin.nni_bridge.hpo.manager import Manager, TrialJob
from alphanet_plugin.nni_bridge.hpo.trial_result import pack_result
from alphanet_plugin.runs import RunFolder, SearchPlan
from alphanet_plugin.search import EvolutionRounds, EvolutionSearch, SearchHistory, read_history
from alphanet_plugin.spaces import get_space

SPACE = get_space("attentive_nas", resolutions=(32, 40, 48, 56))
OPTIONS = {
    "min_mflops": 20.0, "max_mflops": 40.0, "num_classes": 10, "num_random": 8, "num_parents": 4, "num_crossovers": 3,
    "num_mutations": 3, "num_rounds": 4,
}  # fmt: skip
TOTAL = 8 + 3 * 6
FINGERPRINT = {"checkpoint": "step_1", "num_classes": 10}


def metrics_of(arch):
    """Some number for every arch."""
    return {"top1": 50 + sum(SPACE.values(arch)) % 50, "loss": 1.0}


def never(_arch):
    return False


class FakeManager:
    """The manager as the tuner sees it: how often it was told to end, and its trials."""

    def __init__(self):
        self.ended = 0
        self.jobs = []
        self.failed_with = None

    def last_words(self):
        return ["CheckpointError: no trained run"]

    def fail_experiment(self, message):
        self.failed_with = message

    def code_directory(self):
        return "/"

    def trial_jobs(self):
        return self.jobs

    def end_experiment(self):
        self.ended += 1


class FakeExperiment:
    """NNI's manager and dispatcher: `places` trials at once, a request for each that ended, parameters in any order."""

    def __init__(self, tuner, places, *, seed=0, first_id=0):
        self.tuner, self.places, self.next_id = tuner, places, first_id
        self.random = random.Random(seed)
        self.running = {}  # id -> arch that the trial really has
        self.started = []

    def send(self, parameter_id, parameters):
        assert parameter_id not in self.running
        self.running[parameter_id] = parameters["arch"]
        self.started.append(parameters["arch"])

    def request(self, count):
        ids = list(range(self.next_id, self.next_id + count))
        self.next_id += count
        given = self.tuner.generate_multiple_parameters(ids, st_callback=self.send)
        for parameter_id, parameters in zip(ids, given, strict=False):
            self.send(parameter_id, parameters)

    def step(self, fails=never, *, swap=False):
        """One trial ends."""
        listed = self.random.choice(sorted(self.running))
        if swap:  # NNI lists it with another trial's parameters
            other = self.random.choice(sorted(self.running))
            self.running[listed], self.running[other] = self.running[other], self.running[listed]
        arch = SPACE.parse(self.running.pop(listed))
        failed = fails(arch)
        if not failed:
            self.tuner.receive_trial_result(listed, {}, pack_result(arch, 1.0, metrics_of(arch), FINGERPRINT))
        self.tuner.trial_end(listed, not failed)
        self.request(1)

    def run(self, fails=never, *, swap=False):
        self.request(self.places)
        while self.running:
            self.step(fails, swap=swap)
            assert len(self.running) <= self.places


@pytest.fixture
def manager(monkeypatch):
    fake = FakeManager()
    monkeypatch.setattr(tuner.Manager, "of_this_tuner", lambda: fake)
    return fake


@pytest.fixture
def make_tuner(tmp_path, monkeypatch, manager):  # noqa: ARG001
    def read_plan(run, changes, seed, presets):  # noqa: ARG001
        rounds = EvolutionRounds(SPACE, **{**OPTIONS, **changes}, initial=[SPACE.presets[name] for name in presets])
        return SearchPlan(RunFolder(tmp_path), rounds, FINGERPRINT)

    monkeypatch.setattr(tuner, "read_search_plan", read_plan)
    made = []

    def make(**arguments):
        made.append(EvolutionTuner(run="run", settle_seconds=0, **arguments))
        return made[-1]

    yield make
    for one in made:
        one._on_error()


def archs_of_our_search(**changes):
    return [str(subnet.arch) for subnet in EvolutionSearch(SPACE, metrics_of, **{**OPTIONS, **changes}).run()]


@pytest.mark.parametrize("places", [1, 3, 8, 50])
@pytest.mark.parametrize("swap", [False, True])
def test_proposes_what_our_search_does_however_many_trials_run_at_once(make_tuner, manager, tmp_path, places, swap):
    made = make_tuner()
    experiment = FakeExperiment(made, places)
    experiment.run(swap=swap)
    assert sorted(experiment.started) == sorted(archs_of_our_search())
    assert len(set(experiment.started)) == TOTAL
    assert made.finished
    assert manager.ended == 1
    _, entries = read_history(tmp_path / "search.jsonl")
    assert len(entries) == TOTAL
    assert {entry.origin for entry in entries} == {"random", "crossover", "mutation"}
    assert max(entry.round for entry in entries) == 3
    assert all(20 <= entry.evaluated.mflops <= 40 for entry in entries)


def test_a_predictor_ranks_candidates_as_in_our_search(make_tuner):
    experiment = FakeExperiment(make_tuner(predictor="ridge", predictor_pool=4), 3)
    experiment.run()
    assert sorted(experiment.started) == sorted(archs_of_our_search(predictor="ridge", predictor_pool=4))
    assert len(experiment.started) == TOTAL
    assert sorted(experiment.started) != sorted(archs_of_our_search())


def test_all_places_are_filled_again_after_a_round(make_tuner):
    experiment = FakeExperiment(make_tuner(), 4)
    experiment.request(4)
    widest = []
    while experiment.running:
        experiment.step()
        widest.append(len(experiment.running))
    # 8 random ones, then 6 a round: each round is begun with all four places
    assert widest.count(4) >= 4 + 3 * 3


def test_a_failed_trial_is_repeated_and_the_search_is_the_same(make_tuner, manager, caplog):
    once = set()

    def fails(arch):
        first, _ = arch not in once, once.add(arch)
        return first

    made = make_tuner()
    experiment = FakeExperiment(made, 3)
    with caplog.at_level("WARNING", logger="nni"):
        experiment.run(fails)
    assert sorted(set(experiment.started)) == sorted(archs_of_our_search())
    assert len(experiment.started) == 2 * TOTAL
    assert made.given_up == []
    assert manager.ended == 1
    assert caplog.text.count("it is evaluated again") == TOTAL


@pytest.mark.parametrize("places", [1, 5])
def test_what_always_fails_is_given_up_counted_and_logged(make_tuner, manager, caplog, places):
    made = make_tuner(max_retries=1)
    doomed = next(iter(made._batch))
    experiment = FakeExperiment(made, places)
    with caplog.at_level("INFO", logger="nni"):
        experiment.run(lambda arch: arch == doomed)
    assert made.given_up == [doomed]
    assert experiment.started.count(str(doomed)) == 2
    assert f"given up after 2 trials without a result: {doomed}" in caplog.text
    assert f"{TOTAL - 1} subnets in" in caplog.text
    assert "2 trials failed, 1 subnets given up" in caplog.text
    assert manager.ended == 1


def test_an_experiment_whose_every_trial_fails_ends(make_tuner, manager):
    made = make_tuner(max_retries=0, num_rounds=2)
    FakeExperiment(made, 2).run(lambda arch: True)  # noqa: ARG005
    assert len(made.given_up) == 8 + 6
    assert made.finished
    assert manager.ended == 1


def test_a_result_of_other_weights_counts_as_a_failure(make_tuner, caplog):
    made = make_tuner()
    (parameters,) = made.generate_multiple_parameters([0], st_callback=None)
    arch = SPACE.parse(parameters["arch"])
    made.receive_trial_result(0, {}, pack_result(arch, 1.0, metrics_of(arch), {"checkpoint": "step_2"}))
    assert "measured another checkpoint" in caplog.text
    assert not made._found


@pytest.mark.parametrize("value", [0.5, None, {"default": 1}, {"default": 1, "arch": "resolution=32"}])
def test_a_result_of_something_else_is_logged(make_tuner, caplog, value):
    made = make_tuner()
    made.receive_trial_result(0, {}, value)
    assert "cannot be used" in caplog.text
    assert not made._found


def test_a_result_that_is_not_a_number_is_not_kept(make_tuner, caplog):
    made = make_tuner()
    arch = next(iter(made._batch))
    made.receive_trial_result(0, {}, pack_result(arch, 1.0, {"top1": float("nan")}, FINGERPRINT))
    assert "cannot be ranked" in caplog.text
    assert not made._found


def test_the_same_result_twice_counts_once(make_tuner, tmp_path):
    made = make_tuner()
    arch = next(iter(made._batch))
    for _ in range(2):
        made.receive_trial_result(0, {}, pack_result(arch, 1.0, metrics_of(arch), FINGERPRINT))
    assert len(read_history(tmp_path / "search.jsonl")[1]) == 1


def test_presets_come_first(make_tuner):
    made = make_tuner(presets=["a0", "a6"])
    given = made.generate_multiple_parameters([0, 1, 2], st_callback=None)
    assert [one["arch"] for one in given[:2]] == [str(SPACE.presets["a0"]), str(SPACE.presets["a6"])]


def test_goes_on_from_the_history(make_tuner, manager):
    first = make_tuner()
    experiment = FakeExperiment(first, 2)
    experiment.request(2)
    for _ in range(11):
        experiment.step()
    done = [str(arch) for arch in first._found]
    first._on_exit()
    second = FakeExperiment(make_tuner(), 3)
    second.run()
    assert len(done) == 11
    assert sorted(done + second.started) == sorted(archs_of_our_search())
    third = FakeExperiment(make_tuner(), 3)
    third.run()
    assert third.started == []
    assert manager.ended == 2


@pytest.mark.parametrize("lost", [False, True])
def test_resumption_leaves_trials_that_nni_starts_again_alone(make_tuner, manager, monkeypatch, lost):
    first = make_tuner()
    before = FakeExperiment(first, 2)
    before.request(2)
    for _ in range(3):
        before.step()
    first._on_exit()
    monkeypatch.setenv("NNI_MODE", "resume")
    jobs = {number: {"arch": arch} for number, arch in before.running.items()}
    manager.jobs = [TrialJob(number, parameters, ended=False) for number, parameters in jobs.items()]
    second = make_tuner()
    # the manager hands over what was finished before, then asks for two trials
    found = [
        {"parameter": {"arch": str(arch)}, "value": json.dumps(pack_result(arch, 1.0, metrics_of(arch), FINGERPRINT))}
        for arch in first._found
    ]
    second.import_data(found)
    after = FakeExperiment(second, 2, first_id=1 + max(jobs))
    after.request(2)
    assert not set(after.started) & {parameters["arch"] for parameters in jobs.values()}
    manager.jobs = [TrialJob(number, parameters, ended=True) for number, parameters in jobs.items()]
    for parameters in [] if lost else jobs.values():
        arch = SPACE.parse(parameters["arch"])
        value = pack_result(arch, 1.0, metrics_of(arch), FINGERPRINT)
        second.import_data([{"parameter": parameters, "value": value}])
    after.request(2)  # the places of the two that ended
    while after.running:
        after.step()
    assert second.finished
    assert manager.ended == 1
    assert sorted(map(str, second._found)) == sorted(archs_of_our_search())
    assert len(after.started) == TOTAL - 3 - (0 if lost else 2)


def test_threads_of_nni_may_call_at_once(make_tuner):
    made = make_tuner(num_rounds=12)
    experiment = FakeExperiment(made, 6)
    experiment.request(6)
    guard = threading.Lock()

    def work():
        while not made.finished:
            with guard:
                if experiment.running:
                    experiment.step(swap=True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert made.finished
    assert len(set(experiment.started)) == len(experiment.started) == 8 + 11 * 6


def test_a_late_result_saves_its_subnet_from_a_second_trial(make_tuner):
    made = make_tuner()
    made._settle_seconds = 0.2
    given = made.generate_multiple_parameters(list(range(8)), st_callback=None)
    for number in range(8):
        made.trial_end(number, True)  # NNI's other thread is faster
    for number, parameters in enumerate(given):
        arch = SPACE.parse(parameters["arch"])
        made.receive_trial_result(number, {}, pack_result(arch, 1.0, metrics_of(arch), FINGERPRINT))
    assert made._round == 1


def test_without_a_callback_there_is_no_more_trial(make_tuner):
    made = make_tuner(num_random=1)
    assert "resolution" in made.generate_parameters(0)["arch"]
    with pytest.raises(nni.NoMoreTrialError):
        made.generate_parameters(1)


def test_the_history_is_let_go_at_the_end(make_tuner, tmp_path):
    FakeExperiment(make_tuner(), 2).run()
    with SearchHistory(tmp_path / "search.jsonl", FINGERPRINT) as history:
        assert len(history) == TOTAL


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "run names the folder of a trained run"),
        ({"run": "r", "max_mflop": 3}, "max_mflop is no argument; did you mean 'max_mflops'"),
        ({"run": "r", "max_mflops": "many"}, "classArgs: max_mflops takes a number, not 'many'"),
        ({"run": "r", "num_rounds": 1.5}, "num_rounds takes a whole number"),
        ({"run": "r", "rank": "best"}, "rank must be one of 'pareto', 'accuracy', 'bins'"),
        ({"run": "r", "seed": -1}, "seed takes a whole number of at least 0"),
        ({"run": "r", "max_retries": "2"}, "max_retries takes a whole number"),
        ({"run": "r", "presets": "a0"}, "presets takes a list of names"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(AlphaNetError, match=message):
        EvolutionArgumentsValidator().validate_class_args(**arguments)
    with pytest.raises(AlphaNetError, match=message):
        EvolutionTuner(**arguments)


def test_right_arguments_are_not_refused():
    keys = {name: getattr(SearchConfig(), name) for name in SearchConfig.__dataclass_fields__}
    EvolutionArgumentsValidator().validate_class_args(run="r", seed=3, presets=["a0"], max_retries=0, **keys)


@pytest.mark.parametrize("options", [{}, {"max_failures": 3}])
def test_stops_where_every_trial_fails(make_tuner, manager, options):
    made = make_tuner(max_retries=100, **options)
    experiment = FakeExperiment(made, 1)
    experiment.run(lambda _: True)
    bound = options.get("max_failures", MAX_FAILURES)
    assert len(experiment.started) == bound
    assert made.finished
    assert f"{bound} trials in a row failed" in manager.failed_with
    assert "CheckpointError: no trained run" in manager.failed_with
    assert not manager.ended  # which would make it a success


def test_trials_that_fail_between_others_do_not_stop_it(make_tuner, manager):
    made = make_tuner(max_retries=100, max_failures=2)
    ends = itertools.cycle([True, False])
    FakeExperiment(made, 1).run(lambda _: next(ends))
    assert (made.finished, manager.ended, manager.failed_with) == (True, 1, None)
    assert len(made._found) == TOTAL


def test_what_failed_trials_said_is_read_from_their_files(tmp_path, monkeypatch):
    jobs = []
    for number, (status, text) in enumerate([("FAILED", "a\nValueError: x\n"), ("SUCCEEDED", "y"), ("FAILED", "")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "trial.stderr").write_text(text)
        jobs.append({"status": status, "endTime": number, "logPath": f"file://localhost:{folder}"})
    monkeypatch.setattr(Manager, "_request", lambda *_: jobs)
    assert Manager("http://localhost:1").last_words() == ["ValueError: x"]
