import pytest
from networks import config, finish


@pytest.fixture(scope="session")
def teacher(tmp_path_factory):
    """The folder of a network that was trained on a few digits, and its figures."""
    run = config(tmp_path_factory.mktemp("teacher"))
    metrics = finish(run)
    return f"{run.output}/model", metrics
