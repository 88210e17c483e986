"""Tasks in processes: they end, fail, and are killed."""

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


def test_two_processes_outlive_a_task_that_fails_and_one_that_is_killed():
    ended, units = run([1, 3, 5, 2, 4], workers=2)
    killed = ended.pop(2)
    assert killed == "its process was killed by SIGKILL, perhaps for want of memory: try fewer workers"
    assert ended == {0: None, 1: "number 3 is wrong", 3: None, 4: None}
    assert units == [(10, 10), (3, 10), (5, 10), (10, 10), (10, 10)]


def test_no_tasks_are_no_work():
    run_tasks([], task, workers=2, threads=1, on_progress=lambda units: None, on_done=lambda done: None)  # noqa: ARG005
