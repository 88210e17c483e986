"""Uploading with the real client to a hub on this computer."""

import json
import time

import pytest
import timm
import torch
from publications import model, publication
from safetensors.torch import load_file

from alphanet_plugin import hub, store
from alphanet_plugin.cli.main import main
from alphanet_plugin.cli.publish import upload
from alphanet_plugin.digest import digest
from alphanet_plugin.errors import ConfigError, HubError, StoreError
from alphanet_plugin.weights import publish, push_to_hub

NAME = "my-lab/alphanet_a1.digits"


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_owner")


@pytest.fixture(scope="module")
def net():
    return model()


@pytest.fixture
def folder(net):
    return publish(net, publication())


def bias(net):
    return net.state_dict()["classifier.bias"]


def test_a_published_folder_knows_its_digest(folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["alphanet"] == digest(folder / "model.safetensors")
    assert config["alphanet"]["size"] == (folder / "model.safetensors").stat().st_size


def test_what_is_uploaded_loads(loopback_hub, folder, net, monkeypatch, tmp_path):
    (folder / "optimizer.bin").write_bytes(b"not to be uploaded")
    (folder / "pareto.png").write_bytes(b"picture")
    assert push_to_hub(folder, "my-lab") == f"{loopback_hub.endpoint}/{NAME}"
    repository = loopback_hub.repositories[NAME]
    assert set(repository.files) == set(store.FILES)
    assert not repository.private
    assert loopback_hub.commits == 1
    for file in store.FILES:
        assert repository.files[file] == (folder / file).read_bytes()
    monkeypatch.setenv("ALPHANET_HOME", str(tmp_path))
    monkeypatch.setenv("ALPHANET_HUB", "my-lab")
    assert torch.equal(bias(timm.create_model("alphanet_a1.digits", pretrained=True)), bias(net))
    monkeypatch.delenv("ALPHANET_HUB")
    for name in (f"hf-hub:{NAME}", f"local-dir:{folder}"):
        assert torch.equal(bias(timm.create_model(name, pretrained=True)), bias(net)), name
    assert torch.equal(load_file(folder / "model.safetensors")["classifier.bias"], bias(net))


def test_again_is_harmless(loopback_hub, folder):
    push_to_hub(folder, "my-lab")
    files = loopback_hub.repositories[NAME].files
    push_to_hub(folder, "my-lab")
    assert loopback_hub.repositories[NAME].files == files
    assert len([1 for method, _ in loopback_hub.requests if method == "PUT"]) == 1


def test_private(loopback_hub, folder, monkeypatch, tmp_path):
    push_to_hub(folder, "my-lab", private=True)
    assert loopback_hub.repositories[NAME].private
    monkeypatch.setenv("ALPHANET_HOME", str(tmp_path))
    assert hub.fetch("my-lab", "alphanet_a1", "digits").tag == "digits"
    loopback_hub.repositories[NAME].private = False
    with pytest.raises(HubError, match="is there already and is public"):
        push_to_hub(folder, "my-lab", private=True)
    assert loopback_hub.commits == 1


@pytest.mark.parametrize("token", ["", "hf_wrong"])
def test_without_the_right_token(loopback_hub, folder, monkeypatch, token):
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(HubError, match=f"the hub does not let you write {NAME}; run `hf auth login` or set HF_TOKEN"):
        push_to_hub(folder, "my-lab")
    assert loopback_hub.repositories == {}


def test_without_a_network(loopback_hub, folder):
    loopback_hub.off()
    with pytest.raises(HubError, match=r"the connection to .* failed; check the network"):
        push_to_hub(folder, "my-lab")


@pytest.mark.parametrize("fault", ["cut", "refused"])
def test_an_upload_that_breaks_off_changes_nothing(loopback_hub, folder, monkeypatch, fault):
    monkeypatch.setattr(time, "sleep", lambda _: None)  # the client's pauses before it tries again
    push_to_hub(folder, "my-lab")
    before = loopback_hub.repositories[NAME].files
    other = model()
    torch.nn.init.ones_(other.classifier.bias)
    changed = publish(other, publication())
    loopback_hub.refuse_weights = fault
    with pytest.raises(HubError, match="try again"):
        push_to_hub(changed, "my-lab")
    assert loopback_hub.repositories[NAME].files == before
    loopback_hub.refuse_weights = ""
    push_to_hub(changed, "my-lab")
    assert loopback_hub.repositories[NAME].files["model.safetensors"] == (changed / "model.safetensors").read_bytes()


def test_only_what_was_published_is_uploaded(loopback_hub, folder, tmp_path):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match=r"has sha256 .*, not .* as published; publish it again"):
        push_to_hub(folder, "my-lab")
    with pytest.raises(StoreError, match="holds no published model"):
        push_to_hub(tmp_path, "my-lab")
    with pytest.raises(ConfigError, match="--hub must be the name of one organisation"):
        push_to_hub(folder, "my-lab/x")
    assert loopback_hub.requests == []


def test_a_card_that_the_hub_refuses(loopback_hub, net):
    folder = publish(net, publication(license="do-what-you-like"))
    with pytest.raises(HubError, match="license do-what-you-like is unknown"):
        push_to_hub(folder, "my-lab")
    assert loopback_hub.commits == 0


def test_an_upload_that_fails_names_what_was_and_what_was_not(loopback_hub, net, capsys):
    published = [publication(tag=tag) for tag in ("one", "two", "three")]
    folders = [publish(net, one) for one in published]
    before = {file: file.read_bytes() for folder in folders for file in folder.iterdir()}
    loopback_hub.refuse_commits = {"my-lab/alphanet_a1.two"}
    with pytest.raises(HubError) as caught:
        upload(published, "my-lab", private=False)
    assert "alphanet_a1.two was not uploaded: the hub does not let you write" in str(caught.value)
    assert (
        "Uploaded to my-lab: alphanet_a1.one; not uploaded: alphanet_a1.two, alphanet_a1.three. "
        "All are in the local store; run the same command again"
    ) in str(caught.value)
    assert before == {file: file.read_bytes() for folder in folders for file in folder.iterdir()}
    loopback_hub.refuse_commits = set()
    upload(published, "my-lab", private=False)
    assert all(len(loopback_hub.repositories[f"my-lab/{one.name}"].files) == 3 for one in published)
    assert "With ALPHANET_HUB=my-lab in the environment" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "token", "message"),
    [
        (["--hub", "https://x"], "hf_owner", "--hub must be the name of one organisation"),
        (["--hub", "my-lab"], "", "needs a token that may write: run `hf auth login` or set HF_TOKEN"),
        (["--private"], "hf_owner", "--private is about repositories on the hub: give --hub ORG too"),
    ],
)
def test_what_cannot_succeed_is_said_before_the_work(monkeypatch, capsys, options, token, message):
    monkeypatch.setenv("HF_TOKEN", token)
    assert main(["publish", "nowhere", *options]) == 2
    assert message in capsys.readouterr().err
