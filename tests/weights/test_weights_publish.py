"""What publishing leaves in a folder, whatever stops it, and what loading finds of that."""

import copy
import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from publications import model, publication

from alphanet_plugin import store
from alphanet_plugin.errors import CheckpointError, InUseError, StoreError
from alphanet_plugin.weights import publish


@pytest.fixture(scope="module")
def net():
    return model()


@pytest.fixture
def full_disk():
    """No file may grow beyond 100 kB while the block runs; the system's answer is an OSError, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_error_and_nothing_is_lost(net, alphanet_home, full_disk):
    make_room, (soft, hard) = full_disk, resource.getrlimit(resource.RLIMIT_FSIZE)
    make_room()
    folder = publish(net, publication())
    before = {file: file.read_bytes() for file in folder.iterdir()}
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(StoreError, match=r"cannot publish alphanet_a1\.digits to .*File too large"):
        publish(net, publication())
    make_room()
    assert {file: file.read_bytes() for file in folder.iterdir()} == before
    assert not list(alphanet_home.rglob(".*"))


def test_weights_that_are_not_finite_are_named(alphanet_home):
    broken = model()
    broken.classifier.bias.data[3] = torch.nan
    with pytest.raises(StoreError, match=r"classifier\.bias is not finite"):
        publish(broken, publication())
    assert not list(alphanet_home.rglob("*.safetensors"))


def test_weights_that_no_file_can_hold_are_said_to_be_such(alphanet_home):
    odd = model()
    odd.phase = torch.nn.Parameter(torch.zeros(2, dtype=torch.complex128))
    with pytest.raises(StoreError, match=r"safetensors cannot hold these weights: .*complex128"):
        publish(odd, publication())
    assert not list(alphanet_home.rglob("*.safetensors"))


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_have_the_permissions_that_the_umask_leaves(net, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        folder = publish(net, publication(), tmp_path / "alphanet_a1.digits")
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {mode}


PROGRAM = """
import sys, torch
from pathlib import Path
from publications import model, publication
from alphanet_plugin.weights import publish
torch.manual_seed(0)
publish(model(), publication(), Path(sys.argv[1]))
"""


def test_files_are_the_same_bytes_in_every_process(tmp_path):
    """Of another order of sets and tables, too."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "other")]
    environment = {**os.environ, "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"}
    subprocess.run(command, env=environment, cwd=Path(__file__).parent, check=True, timeout=200)
    torch.manual_seed(0)
    publish(model(), publication(), tmp_path / "here")
    here, other = ({file.name: told(file) for file in (tmp_path / name).iterdir()} for name in ("here", "other"))
    assert other == here


def told(file):
    lines = file.read_bytes().splitlines()
    return [line for line in lines if file.name != "README.md" or b"atency" not in line]


def flip(file):
    content = bytearray(file.read_bytes())
    place = content.rindex(b"0") if file.suffix != ".safetensors" else len(content) - 7
    content[place] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("name", ["alphanet_a1.digits", "local-dir:FOLDER"])
@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_damage_is_named_on_load(net, file, name):
    folder = publish(net, publication())
    flip(folder / file)
    with pytest.raises(CheckpointError, match=rf"{folder} is damaged: {file} is not what was written.* again, or"):
        timm.create_model(name.replace("FOLDER", str(folder)), pretrained=True)


def test_a_changed_card_is_a_warning(net):
    folder = publish(net, publication())
    (folder / "README.md").write_text((folder / "README.md").read_text().replace("97.53", "99.53"))
    with pytest.warns(UserWarning, match=r"README\.md is not what was written; the model itself is whole"):
        timm.create_model("alphanet_a1.digits", pretrained=True)


def test_folders_of_earlier_versions_load(net):
    folder = publish(net, publication())
    config = json.loads((folder / "config.json").read_text())
    for key in ("files", "card_sha256", "config_sha256", "training", "alphanet"):
        del config[key]
    config["model_args"]["num_classes"] = 10
    (folder / "config.json").write_text(json.dumps(config))
    loaded = timm.create_model("alphanet_a1.digits", pretrained=True)
    assert torch.equal(loaded.classifier.bias, net.classifier.bias)


def test_one_process_publishes_a_tag(alphanet_home):
    with store.owned_tag("digits"):
        with (
            pytest.raises(InUseError, match=f"the tag digits in {alphanet_home} is in use by"),
            store.owned_tag("digits"),
        ):
            pass
        with store.owned_tag("other"):
            pass
    with store.owned_tag("digits"):
        pass
    assert not list(alphanet_home.rglob("*.lock"))


def test_top5_of_five_classes_is_no_figure(net):
    net = copy.deepcopy(net)
    net.reset_classifier(5)
    folder = publish(net, replace(publication(), class_names=list("01234"), tag="few"))
    text = (folder / "README.md").read_text()
    assert "Top-1 accuracy (%), measured | 97.53" in text
    assert "Top-5" not in text
    assert "top_5_accuracy" not in text


def test_the_run_and_the_start_are_recorded(net):
    run = {"id": "abc123", "name": "flowers"}
    folder = publish(net, publication(run=run, start="alphanet_a0.digits (digits, 10 classes)"))
    entry = store.read_published(folder)
    assert (entry.run, entry.dataset) == (run, "digits")
    text = (folder / "README.md").read_text()
    assert "| published by | flowers (abc123) |" in text
    assert "| training began from | alphanet_a0.digits (digits, 10 classes) |" in text


def test_transformers_opens_a_published_folder(net):
    transformers = pytest.importorskip("transformers")
    folder = publish(net, publication())
    wrapped = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    images = torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        torch.testing.assert_close(wrapped(images).logits, net(images))


def test_the_number_of_classes_stands_in_one_place(net):
    config = json.loads((publish(net, publication()) / "config.json").read_text())
    assert config["num_classes"] == config["pretrained_cfg"]["num_classes"] == 10
    assert "num_classes" not in config["model_args"]
