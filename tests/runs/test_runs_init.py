"""training.init: a supernet starts from weights that were trained before."""

import pytest
import torch

from alphanet_plugin.config import RunConfig, from_dict
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.runs import SupernetRun, build_model, build_space, supernet_identity
from alphanet_plugin.runs.start import start_from
from alphanet_plugin.supernet import build_supernet
from alphanet_plugin.weights import save_supernet


def config(output, **training):
    values = {"output": str(output), "space": {"name": "us_mobilenet_v2", "resolutions": [16]}}
    return from_dict(RunConfig, {**values, "data": {"image_size": 16}, "training": training})


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("source") / "supernet"
    supernet = build_supernet(build_space(config("x")), num_classes=10)
    save_supernet(supernet, folder, {})
    return folder, supernet.state_dict()


def test_a_run_starts_from_the_weights_and_depends_on_them(source, tmp_path):
    folder, weights = source
    run = config(tmp_path, init=str(folder))
    model = SupernetRun(run).build_model()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert supernet_identity(run)["training"]["init"] == str(folder)
    assert "init" not in supernet_identity(config(tmp_path)).get("training", {})


def test_a_classifier_of_other_classes_starts_anew(source, caplog):
    folder, weights = source
    model = build_model(config("x"), 7)
    classifier = model.state_dict()["classifier.weight"].clone()
    start_from(model, str(folder))
    state = model.state_dict()
    assert "tells 10 classes apart, this run 7; the classifier starts anew" in caplog.text
    assert torch.equal(state["classifier.weight"], classifier)
    backbone = [name for name in state if not name.startswith("classifier")]
    assert backbone
    assert all(torch.equal(state[name], weights[name]) for name in backbone)


def test_what_cannot_be_started_from_is_named(source, tmp_path):
    with pytest.raises(ConfigError, match=r"training\.init: .*nothing.*give a run's folder"):
        start_from(build_model(config("x"), 10), str(tmp_path / "nothing"))
    other = from_dict(RunConfig, {"output": "x", "space": {"name": "us_mobilenet_v1", "resolutions": [16]}})
    with pytest.raises(ConfigError, match="holds a supernet of another space"):
        start_from(build_model(other, 10), str(source[0]))
