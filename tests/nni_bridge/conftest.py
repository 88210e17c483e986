"""NNI's imports warn of much that is not ours; they are done once here, and its experiments get a home of their own."""

import os
import tempfile
import warnings
from unittest.mock import patch

import pytest

# Where NNI lists experiments is fixed when it is imported.
with warnings.catch_warnings(), patch.dict(os.environ, {"HOME": tempfile.mkdtemp(prefix="nni-home-")}):
    warnings.simplefilter("ignore")
    import nni.nas.experiment
    import nni.nas.hub.pytorch
    import nni.nas.nn.pytorch
    import nni.nas.profiler.pytorch.flops
    import nni.nas.strategy  # noqa: F401


@pytest.fixture(autouse=True)
def nni_home(tmp_path, monkeypatch):
    """NNI keeps experiments and its list of them below the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"
