"""The manager of an experiment whose starter was killed: it goes on by itself, until whoever comes next stops it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from ...atomic import write_text

_NOTE = "experiment.json"  # in the search's folder, for as long as its experiment may be about


def note_manager(folder: Path, experiment_id: str) -> None:
    """Write down which experiment is about to begin."""
    write_text(folder / _NOTE, json.dumps({"id": experiment_id}))


def forget_manager(folder: Path) -> None:
    """Its manager has ended."""
    (folder / _NOTE).unlink(missing_ok=True)


def may_be_left(folder: Path) -> bool:
    """Whether an experiment was begun in this folder and not stopped; NNI is not imported to tell."""
    return (folder / _NOTE).is_file()


def stop_leftover(folder: Path) -> None:
    """Stop the manager, if it is about, of an experiment that was begun in this folder and not stopped."""
    if not may_be_left(folder):
        return
    from nni.tools.nnictl.config_utils import Experiments

    with suppress(ValueError, OSError, LookupError, TypeError):
        experiment_id = json.loads((folder / _NOTE).read_text(encoding="utf-8"))["id"]
        known = Experiments().get_all_experiments().get(experiment_id, {})
        if known.get("status") != "STOPPED" and isinstance(known.get("pid"), int):
            _end_manager(known["pid"], experiment_id)
    forget_manager(folder)


def _end_manager(pid: int, experiment_id: str) -> None:
    import psutil  # comes with NNI

    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if experiment_id not in process.cmdline():
            return  # another program has the number by now
        family = [process, *process.children(recursive=True)]
        process.terminate()  # it stops its trials and its tuner
        _, alive = psutil.wait_procs(family, timeout=20)
        for one in alive:
            with suppress(psutil.NoSuchProcess):
                one.kill()
