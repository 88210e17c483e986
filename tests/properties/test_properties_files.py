"""Whatever a published model's config.json or a checkpoint's run.json says, it is read or refused in one line."""

import json
import sys
from pathlib import Path

import pytest
import timm
from failing import fails_in_one_line
from hypothesis import given
from mutated import mutated

from alphanet_plugin import store
from alphanet_plugin.cli.options import load_model
from alphanet_plugin.models import alphanet_subnet
from alphanet_plugin.spaces import get_space
from alphanet_plugin.training import latest_checkpoint, read_state, read_weights
from alphanet_plugin.training.checkpoints import find_damage, kept_batch
from alphanet_plugin.weights import Publication, publish

ARCH = get_space("attentive_nas", resolutions=(32,)).smallest()
STATE = {
    "step": 4, "identity": {"seed": 0, "training": {"batch_size": 8, "lr": 0.1}, "images": "0" * 64},
    "batch": {"batch_size": 8, "accumulate": 1, "processes": 1, "num_images": 32},
    "files": {name: {"sha256": "0" * 64, "bytes": 3} for name in ("model.safetensors", "optimizer.bin",
                                                                 "random_states_0.pkl")},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    publication = Publication(
        architecture="alphanet_subnet", tag="mine", arch=ARCH, class_names=list("ab"), metrics={}, mflops=1.0, params=1,
        dataset="folder", data_config={"input_size": (3, 32, 32), "mean": (0.5,) * 3, "std": (0.5,) * 3,
                                       "interpolation": "bicubic", "crop_pct": 1.0},
    )  # fmt: skip
    model = alphanet_subnet(arch=ARCH, num_classes=2).eval()
    return publish(model, publication, tmp_path_factory.mktemp("published") / "alphanet_subnet.mine")


@pytest.fixture
def written(folder):
    """The config.json of a published model without the digest of itself; put back afterwards."""
    file = folder / "config.json"
    before = file.read_text()
    config = json.loads(before)
    del config["config_sha256"]
    yield file, config
    file.write_text(before)


@pytest.mark.filterwarnings("ignore")
def test_published_configs(written, folder, tried):
    file, config = written

    @tried
    @given(mutated(config))
    def check(values):
        file.write_text(json.dumps(values))
        with fails_in_one_line():
            entry = store.read_published(folder)
            assert entry.trained_on
            assert isinstance(entry.is_imagenet, bool)
        with fails_in_one_line():
            load_model(str(folder))

    check()


def test_checkpoints(tmp_path, tried):
    path = tmp_path / "step_00000004"
    path.mkdir()

    @tried
    @given(mutated(STATE))
    def check(values):
        (path / "run.json").write_text(json.dumps(values))
        assert latest_checkpoint(tmp_path) == path
        with fails_in_one_line():
            kept_batch(path, read_state(path))
        with fails_in_one_line():
            assert find_damage(path)
        with fails_in_one_line():
            read_weights(path)

    check()


WIDE = {"name": "wide", "resolutions": [32], "stem": {"width": 99_999}, "stages": [
    {"width": 99_999, "depth": 3, "kernel_size": 7, "expand_ratio": 6}]}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: [config], "holds no table"),
        (lambda config: {**config, "architecture": "resnet18", "model_args": {}}, "holds no model that timm reads"),
        (lambda config: {**config, "architecture": "nothing"}, "nothing.*; publish or import it again"),
        (lambda config: {**config, "architecture": [1]}, r"architecture in config.json is \[1\], not a model's name"),
        (lambda config: {**config, "num_classes": None}, "holds no model that timm reads: KeyError: 'num_classes'"),
        (lambda config: {**config, "model_args": {**config["model_args"], "colour": 1}}, "colour"),
        (lambda config: {**config, "model_args": 3}, "model_args"),
        (lambda config: {**config, "num_classes": 10**12}, "num_classes in config.json is 1000000000000"),
        (lambda config: {**config, "model_args": {"space": {"table": WIDE}, "arch": "resolution=32"}},
         r"holds [\d,]+ numbers, and config.json says a network of [\d,]{15,} parameters"),
        (lambda config: {**config, "num_classes": 900_000}, r"num_classes in config.json is 900,000, and no side"),
        (lambda config: {**config, "model_args": {**config["model_args"], "in_chans": 10**9}},
         r"model_args.in_chans in config.json is 1,000,000,000, and no side"),
    ],
)  # fmt: skip
def test_what_a_published_config_cannot_say(written, folder, change, message):
    file, config = written
    file.write_text(json.dumps(change(config)))
    with pytest.raises(ValueError, match=message) as raised:
        load_model(str(folder))
    assert "\n" not in str(raised.value)


@pytest.fixture
def little_memory():
    """No more for this process, while the test runs, than half a GB beyond what it has."""
    resource = pytest.importorskip("resource")
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    before = resource.getrlimit(resource.RLIMIT_AS)
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + 500_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("load", [load_model, lambda folder: timm.create_model(f"local-dir:{folder}", pretrained=True)])
@pytest.mark.parametrize("change", [
    {"model_args": {"space": {"table": WIDE}, "arch": "resolution=32"}}, {"num_classes": 900_000},
    {"model_args": {"arch": ARCH.to_dict(), "num_classes": 10**6}},
    {"model_args": {"arch": ARCH.to_dict(), "in_chans": 10**9}},
])  # fmt: skip
def test_what_is_too_large_is_refused_before_memory_is_taken(written, folder, change, load):
    file, config = written
    file.write_text(json.dumps({**config, **change}))
    with pytest.raises(ValueError, match=r"config\.json.*publish it again"):
        load(str(folder))


def test_a_deeply_nested_config_is_left_out_of_the_store(written, folder):
    file, _ = written
    file.write_text("[" * 200_000 + "]" * 200_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        store.read_published(folder)
    with pytest.raises(ValueError, match="deeply"):
        load_model(str(folder))
