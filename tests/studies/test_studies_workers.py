"""Tasks in processes: they end, fail, and are killed."""

import multiprocessing

import pytest
from stand_in import task

from alphanet_plugin.studies.workers import run_tasks


def run(tasks, workers):
    ended, seen = {}, []

    def on_done(done):
        assert done.number not in ended
        ended[done.number] = done.error

    run_tasks(
        tasks, task, workers=workers, threads=1, on_progress=lambda units: seen.append(list(units)), on_done=on_done
    )
    return ended, seen[-1]


def test_one_worker_is_this_process():
    ended, units = run([1, 2, 3, 4], workers=1)
    assert ended == {0: None, 1: None, 2: "number 3 is wrong", 3: None}
    assert units == [(10, 10), (10, 10), (3, 10), (10, 10)]


KILLED = "its process was killed by SIGKILL, perhaps for want of memory: try fewer workers"


def test_a_process_that_is_killed_takes_no_other_with_it():
    ended, units = run([5, 1], workers=2)
    assert ended == {0: KILLED, 1: None}
    assert units == [(5, 10), (10, 10)]


@pytest.mark.slow  # five starts of Python
def test_tasks_that_are_left_go_to_other_processes():
    ended, units = run([1, 5, 5, 3, 5, 2, 4], workers=2)
    assert ended == {0: None, 1: KILLED, 2: KILLED, 3: "number 3 is wrong", 4: KILLED, 5: None, 6: None}
    assert units[3:] == [(3, 10), (5, 10), (10, 10), (10, 10)]


@pytest.mark.slow  # two starts of Python
def test_an_interruption_ends_the_processes():
    def interrupt(units):
        if units[0][0] == 7 and units[1][0] == 10:  # one is busy, the other idle
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tasks([7, 1], task, workers=2, threads=1, on_progress=interrupt, on_done=lambda done: None)  # noqa: ARG005
    assert multiprocessing.active_children() == []


def test_no_tasks_are_no_work():
    run_tasks([], task, workers=2, threads=1, on_progress=lambda units: None, on_done=lambda done: None)  # noqa: ARG005
