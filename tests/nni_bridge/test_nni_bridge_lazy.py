"""The room's names are there at once, NNI only when one is used."""

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
