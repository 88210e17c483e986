"""Copies from a hub: the real client against a hub on this computer, with all that may go wrong between them."""

import json
import logging
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import without_models
from safetensors.numpy import save, save_file

from alphanet_plugin import hub, store
from alphanet_plugin.digest import digest
from alphanet_plugin.errors import CheckpointError, ConfigError, HubError, StoreError

NAME = "my-lab/alphanet_a4.digits"
NAME_PARTS = ("my-lab", "alphanet_a4", "digits")


def files(value=0.0, **config):
    """A published folder's files, in small."""
    weights = save({"weight": np.full(1000, value, np.float32)})
    digested = {"sha256": hub_sha256(weights), "size": len(weights)}
    config = {"architecture": "alphanet_a4", "alphanet": digested, "value": value, **config}
    return {"model.safetensors": weights, "config.json": json.dumps(config).encode(), "README.md": b"# A card"}


def hub_sha256(content):
    from loopback_hub import sha256

    return sha256(content)


def fetch(tag="digits"):
    return hub.fetch("my-lab", "alphanet_a4", tag)


def weights_requests(loopback_hub):
    return [path for method, path in loopback_hub.requests if method == "GET" and path.startswith("/cdn")]


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.WARNING, logger="alphanet_plugin")
    return lambda: [record.message for record in caplog.records if record.name.startswith("alphanet_plugin")]


@pytest.fixture
def impatient(monkeypatch):
    """The client's pauses before it tries again take no time."""
    monkeypatch.setattr(time, "sleep", lambda _: None)


def nothing_half_written(alphanet_home):
    return all(path.suffix == ".lock" for path in alphanet_home.rglob(".*"))


def test_a_copy_is_kept_and_verified(loopback_hub, alphanet_home):
    loopback_hub.put(NAME, {**files(1.0), "pareto.png": b"picture", "pytorch_model.bin": b"no", "setup.py": b"no"})
    copy = fetch()
    assert copy.folder == alphanet_home / "hub" / "my-lab" / "alphanet_a4.digits" == hub.copy_folder(*NAME_PARTS)
    assert sorted(file.name for file in copy.folder.iterdir()) == sorted([*store.FILES, "hub.json"])
    assert digest(copy.weights)["sha256"] == hub_sha256(files(1.0)["model.safetensors"])
    assert copy.revision == loopback_hub.repositories[NAME].revision
    assert copy.config["value"] == 1.0
    for path in loopback_hub.asked_for():
        assert path.startswith(("/" + NAME, "/cdn/")), "nothing else is asked for"
        assert not path.endswith((".bin", ".py"))
    assert nothing_half_written(alphanet_home)


def test_what_did_not_change_is_not_fetched_again_and_what_did_is(loopback_hub, said):
    loopback_hub.put(NAME, files(1.0))
    first = fetch()
    assert fetch() == first
    assert len(weights_requests(loopback_hub)) == 1
    loopback_hub.put(NAME, files(2.0))
    assert fetch().config["value"] == 2.0
    assert len(weights_requests(loopback_hub)) == 2
    assert said() == []


def test_without_a_network_the_copy_answers_in_one_line(loopback_hub, said):
    loopback_hub.put(NAME, files(1.0))
    copy = fetch()
    loopback_hub.off()
    assert fetch() == fetch(None) == copy
    assert len(said()) == 2
    assert f"the connection to {loopback_hub.endpoint} about {NAME} failed; check the network" in said()[0]
    assert f"using the copy of {NAME} kept in {copy.folder}" in said()[0]


def test_without_a_network_and_without_a_copy(loopback_hub):
    loopback_hub.off()
    for tag in ("digits", None):
        with pytest.raises(HubError, match=r"the connection to http://127.* failed; check the network and try again"):
            fetch(tag)


def test_offline_by_choice(loopback_hub, monkeypatch, said):
    loopback_hub.put(NAME, files(1.0))
    copy = fetch()
    asked = len(loopback_hub.requests)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    from huggingface_hub.utils import close_session

    close_session()  # the client looks at the variable when it makes a session
    assert fetch() == copy
    assert "HF_HUB_OFFLINE" in said()[0]
    with pytest.raises(HubError, match="HF_HUB_OFFLINE forbids it; unset it"):
        fetch("other")
    assert len(loopback_hub.requests) == asked
    close_session()


@pytest.mark.usefixtures("impatient")
def test_a_cut_connection_is_resumed(loopback_hub):
    loopback_hub.put(NAME, files(1.0))
    loopback_hub.cut_after, loopback_hub.cuts = 1500, 1
    assert fetch().config["value"] == 1.0
    assert len(weights_requests(loopback_hub)) == 2


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_stays_cut_leaves_nothing(loopback_hub, alphanet_home):
    loopback_hub.put(NAME, files(1.0))
    loopback_hub.cut_after, loopback_hub.cuts = 1500, 100
    with pytest.raises(HubError, match=f"the connection to .* about {NAME} failed; .*try again"):
        fetch()
    assert nothing_half_written(alphanet_home)
    assert not list(alphanet_home.rglob("*.safetensors"))
    loopback_hub.cuts = 0
    assert fetch().config["value"] == 1.0


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_stays_cut_keeps_the_old_copy(loopback_hub, alphanet_home, said):
    loopback_hub.put(NAME, files(1.0))
    copy = fetch()
    loopback_hub.put(NAME, files(2.0))
    loopback_hub.cut_after, loopback_hub.cuts = 1500, 100
    assert fetch() == copy
    assert copy.config["value"] == 1.0
    assert "using the copy" in said()[0]
    assert nothing_half_written(alphanet_home)


@pytest.mark.usefixtures("impatient")
def test_the_plain_name_falls_back_to_another_tags_copy(loopback_hub, said):
    loopback_hub.put(NAME, files(1.0), modified=1_700_000_000)
    copy = fetch()
    loopback_hub.put("my-lab/alphanet_a4.newer", files(2.0))
    loopback_hub.cut_after, loopback_hub.cuts = 1500, 100
    assert fetch(None) == copy
    assert f"using the copy of {NAME}" in said()[0]
    with pytest.raises(HubError):
        fetch("newer")


@pytest.mark.parametrize("kept", [False, True])
def test_a_corrupted_file_is_refused_and_the_old_one_kept(loopback_hub, alphanet_home, kept):
    if kept:
        loopback_hub.put(NAME, files(1.0))
        fetch()
    before = {path: path.read_bytes() for path in alphanet_home.glob("hub/*/*/*")}
    loopback_hub.put(NAME, files(2.0))
    loopback_hub.corrupt = True
    expected = hub_sha256(files(2.0)["model.safetensors"])
    with pytest.raises(
        CheckpointError, match=rf"of {NAME} are damaged: sha256 {expected} expected, [0-9a-f]{{64}} found"
    ):
        fetch()
    assert {path: path.read_bytes() for path in alphanet_home.glob("hub/*/*/*")} == before
    loopback_hub.corrupt = False
    assert fetch().config["value"] == 2.0


def test_weights_that_are_not_those_of_the_config_are_refused(loopback_hub):
    loopback_hub.put(NAME, {**files(1.0), "model.safetensors": files(2.0)["model.safetensors"]})
    with pytest.raises(CheckpointError, match=r"damaged: sha256 .* refused"):
        fetch()


@pytest.mark.parametrize("config", [b"{", b"[]", b'{"model_args": 3}'])
def test_a_damaged_config_is_refused(loopback_hub, alphanet_home, config):
    loopback_hub.put(NAME, {**files(1.0), "config.json": config})
    with pytest.raises(CheckpointError, match=f"{NAME} is damaged"):
        fetch()
    assert nothing_half_written(alphanet_home)


def test_weights_that_are_no_safetensors_are_refused(loopback_hub):
    content = b"GIF89a" * 100
    config = json.dumps({"alphanet": {"sha256": hub_sha256(content)}}).encode()
    loopback_hub.put(NAME, {"model.safetensors": content, "config.json": config})
    with pytest.raises(CheckpointError, match=f"what came of {NAME} is damaged: model.safetensors"):
        fetch()


def test_a_copy_damaged_on_this_disk_is_fetched_anew(loopback_hub):
    loopback_hub.put(NAME, files(1.0))
    weights = fetch().weights
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + b"x")
    assert fetch().weights.read_bytes() == whole
    weights.write_bytes(whole[:-1] + b"x")
    loopback_hub.off()
    with pytest.raises(HubError, match="connection"):
        fetch()


@pytest.mark.parametrize("tag", ["digits", None])
def test_a_private_repository_needs_a_token(loopback_hub, monkeypatch, tag):
    loopback_hub.put(NAME, files(1.0), private=True)
    with pytest.raises(
        HubError, match=r"the hub shows no repository my-lab/alphanet_a4\..*`hf auth login` or set HF_TOKEN"
    ):
        fetch(tag)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(HubError, match=r"does not exist, or is private or gated.*`hf auth login` or set HF_TOKEN"):
        fetch(tag)
    monkeypatch.setenv("HF_TOKEN", "hf_owner")
    assert fetch(tag).config["value"] == 1.0


def test_a_gated_repository(loopback_hub):
    loopback_hub.put(NAME, files(1.0))
    loopback_hub.repositories[NAME].gated = True
    with pytest.raises(HubError, match=f"{NAME} is gated: ask for access on its page, then run `hf auth login`"):
        fetch()


def test_what_is_not_there(loopback_hub):
    with pytest.raises(HubError, match=f"the hub shows no repository {NAME}; it does not exist, or"):
        fetch()
    loopback_hub.put(NAME, {"README.md": b"soon"})
    with pytest.raises(HubError, match=r"holds no published model: no config.json and no model.safetensors"):
        fetch()
    with pytest.raises(HubError, match="is no name that a repository on the hub can have"):
        fetch("a--b/../c")


def test_what_moved_to_another_name_is_not_followed(loopback_hub):
    loopback_hub.put(NAME, files(1.0))
    loopback_hub.answer_as[NAME] = "stranger/alphanet_a4.digits"
    with pytest.raises(HubError, match=f"the hub answers for {NAME} with stranger/alphanet_a4.digits"):
        fetch()
    assert weights_requests(loopback_hub) == []


@pytest.mark.usefixtures("loopback_hub")
def test_an_endpoint_that_is_no_hub(monkeypatch):
    monkeypatch.setattr("loopback_hub._Handler.answer", lambda self, *_: self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nhi"))
    for tag in ("digits", None):
        with pytest.raises(HubError, match="as no hub does; check HF_ENDPOINT"):
            fetch(tag)


def test_no_tag_takes_imagenet_weights_first_then_the_newest(loopback_hub):
    loopback_hub.put("my-lab/alphanet_a4.old", files(1.0), modified=1_700_000_000)
    loopback_hub.put("my-lab/alphanet_a4.new", files(2.0), modified=1_700_000_200)
    loopback_hub.put("my-lab/alphanet_a4.mid", files(3.0), modified=1_700_000_100)
    loopback_hub.put("my-lab/alphanet_a4x.newer", files(4.0))
    loopback_hub.put("stranger/alphanet_a4.in1k", files(5.0))
    assert fetch(None).tag == "new"
    loopback_hub.put("my-lab/alphanet_a4.fb_in1k", files(6.0), modified=1_600_000_000)
    assert fetch(None).tag == "fb_in1k"
    assert not any("stranger" in path for path in loopback_hub.asked_for())
    for tag in ("old", "mid"):
        fetch(tag)
    loopback_hub.off()
    assert fetch(None).tag == "fb_in1k", "as online"


def test_a_disk_that_cannot_be_written(loopback_hub, alphanet_home):
    loopback_hub.put(NAME, files(1.0))
    (alphanet_home / "hub").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot keep a copy in .*; move what is in its place away, or set"):
        fetch()


@pytest.mark.parametrize("name", ["https://huggingface.co/my-lab", "my-lab/x", "my lab", "..", "-x", "a" * 97, "über"])
def test_names_that_no_organisation_has(monkeypatch, name):
    monkeypatch.setenv("ALPHANET_HUB", name)
    with pytest.raises(ConfigError, match=r"ALPHANET_HUB must be the name of one organisation or user .*no slash"):
        hub.organisation()
    assert hub.list_copies() == []


def test_names_that_one_may_have(monkeypatch):
    for given, expected in {"my-lab": "my-lab", " Lab_2.x ": "Lab_2.x", "": None}.items():
        monkeypatch.setenv("ALPHANET_HUB", given)
        assert hub.organisation() == expected
    monkeypatch.delenv("ALPHANET_HUB")
    assert hub.organisation() is None


def test_several_processes_at_once(loopback_hub, alphanet_home):
    loopback_hub.put(NAME, files(1.0))
    program = f"""{without_models.BEGINNING}
from alphanet_plugin import hub
assert "torch" not in sys.modules
print(hub.fetch('my-lab', 'alphanet_a4', 'digits').config['value'])
"""
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env={**os.environ})
        for _ in range(3)
    ]
    assert [process.communicate(timeout=120)[0].strip() for process in started] == ["1.0"] * 3
    assert len(weights_requests(loopback_hub)) == 1, "the others wait for the first one's copy"
    assert nothing_half_written(alphanet_home)


def test_no_connection_is_opened_unless_a_hub_is_named(monkeypatch, alphanet_home):
    import timm

    from alphanet_plugin.errors import NoWeightsError
    from alphanet_plugin.models import refresh_entries

    def refuse(*_, **__):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    folder = alphanet_home / "models" / "alphanet_a0.here"
    folder.mkdir(parents=True)
    save_file({"weight": np.zeros(3, np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    refresh_entries()
    assert timm.list_models("alphanet_*", pretrained=True) == ["alphanet_a0.here"]
    for name in ("alphanet_a4", "alphanet_a4.digits"):
        with pytest.raises(NoWeightsError):
            timm.create_model(name, pretrained=True)
    monkeypatch.setenv("ALPHANET_HUB", "my-lab")
    assert timm.list_models("alphanet_*", pretrained=True) == ["alphanet_a0.here"]
    with pytest.raises(NoWeightsError, match="nor from ALPHANET_HUB") as caught:
        timm.create_model("alphanet_a4.digits", pretrained=False)
    assert "pretrained=True" in str(caught.value)
