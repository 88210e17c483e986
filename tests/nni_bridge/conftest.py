"""NNI's experiments get a home of their own."""

import os
import tempfile
from unittest.mock import patch

import pytest

# Where NNI lists experiments is fixed when this module of it is imported, which imports nothing of its NAS.
with patch.dict(os.environ, {"HOME": tempfile.mkdtemp(prefix="nni-home-")}):
    import nni.tools.nnictl.config_utils  # noqa: F401


@pytest.fixture(autouse=True)
def nni_home(tmp_path, monkeypatch):
    """NNI keeps experiments and its list of them below the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"
