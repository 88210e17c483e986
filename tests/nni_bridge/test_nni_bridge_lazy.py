"""The room's names are there at once, NNI only when one is used."""

import importlib
import subprocess
import sys

import pytest

import alphanet_plugin.nni_bridge as room


def test_importing_the_room_does_not_import_nni():
    code = "import sys, alphanet_plugin.nni_bridge; sys.exit('nni' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_names_are_sorted_listed_and_found():
    assert room.__all__ == sorted(room._MODULE_OF)
    assert list(room._MODULE_OF) == sorted(room._MODULE_OF)
    assert set(room.__all__) <= set(dir(room))
    for name in room.__all__:
        assert getattr(room, name).__name__ == name


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="has no attribute 'Distiller'"):
        room.Distiller  # noqa: B018


@pytest.mark.parametrize(("former", "name"), room._FORMER_NAMES.items())
def test_former_names_are_the_same_classes(former, name):
    assert getattr(room, former) is getattr(room, name)


@pytest.mark.parametrize(
    "path",
    ["search_trial:main", "tuner:EvolutionTuner", "evolution_arguments:EvolutionArgumentsValidator"],
)
def test_paths_that_older_files_name_answer(path):
    """In trial commands, programs and what `nnictl algo register` wrote into NNI's own list."""
    module, _, name = path.partition(":")
    former = importlib.import_module(f"alphanet_plugin.nni_bridge.{module}")
    assert getattr(former, name) is getattr(importlib.import_module(f"alphanet_plugin.nni_bridge.hpo.{module}"), name)


def test_trials_start_under_their_former_name():
    command = [sys.executable, "-m", "alphanet_plugin.nni_bridge.search_trial", "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "RUN" in done.stdout
