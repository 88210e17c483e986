import pytest
from transfers import InProcess, write_network, write_photographs


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """The folder of a pretrained network."""
    folder = tmp_path_factory.mktemp("network") / "own"
    write_network(folder)
    return folder


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs")
    write_photographs(root)
    return root


@pytest.fixture
def in_process(monkeypatch):
    return InProcess(monkeypatch)
