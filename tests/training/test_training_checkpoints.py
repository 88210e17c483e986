"""A checkpoint is what was written, or it is said what is damaged and where to go on from; steps keep their meaning."""

import json
import random

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from alphanet_plugin.errors import CheckpointError, ConfigError
from alphanet_plugin.training import Checkpoints, GlobalBatch, latest_checkpoint, list_checkpoints, read_weights
from alphanet_plugin.training.checkpoints import kept_batch, read_state

IDENTITY = {"seed": 0, "training": {"batch_size": 8}}
BATCH = GlobalBatch(batch_size=8, num_images=100)


def build(folder, batch=BATCH):
    accelerator = Accelerator(cpu=True)
    model = nn.Linear(4, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    accelerator.prepare(model, optimizer)
    checkpoints = Checkpoints(accelerator, folder, keep=3, identity=IDENTITY, batch=batch)
    yield checkpoints
    accelerator.free_memory()


@pytest.fixture
def checkpoints(tmp_path):
    yield from build(tmp_path / "checkpoints")


@pytest.fixture
def written(checkpoints):
    for step in (4, 8):
        checkpoints.save(step)
    return checkpoints


def as_an_earlier_version_wrote_it(path):
    state = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({"step": state["step"], "identity": state["identity"]}))


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_every_file_is_listed_in_what_is_written_last(written):
    path = latest_checkpoint(written.folder)
    names = {file.name for file in path.iterdir()} - {"run.json"}
    assert names == set(read_state(path)["files"]) >= {"model.safetensors", "optimizer.bin", "random_states_0.pkl"}
    assert [one.name for one in list_checkpoints(written.folder)] == ["step_00000004", "step_00000008"]
    assert not [one.name for one in written.folder.iterdir() if one.name.startswith(".")]


@pytest.mark.parametrize("earlier", [False, True])
def test_a_whole_checkpoint_brings_its_random_states_back(written, earlier):
    if earlier:
        as_an_earlier_version_wrote_it(latest_checkpoint(written.folder))
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    random.random(), np.random.rand(), torch.rand(3)  # noqa: NPY002
    assert written.load(latest_checkpoint(written.folder)) == 8
    assert before == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.bin", "random_states_0.pkl"])
@pytest.mark.parametrize(
    "damage",
    [flip_a_bit, lambda path: path.write_bytes(b""), lambda path: path.unlink(), lambda path: path.write_bytes(b"x")],
)
def test_damage_names_the_file_and_the_checkpoint_that_is_good(written, name, damage):
    good, newest = list_checkpoints(written.folder)
    damage(newest / name)
    message = rf"{newest} is damaged: {name} .*; the newest good one is {good}: delete {newest} to go on from it"
    with pytest.raises(CheckpointError, match=message):
        written.load(newest)
    damage(good / name)
    with pytest.raises(CheckpointError, match=rf"none before it is whole: delete {written.folder} to start anew"):
        written.load(newest)


def test_weights_that_are_read_alone_are_verified_too(written):
    newest = latest_checkpoint(written.folder)
    assert set(read_weights(newest)) == {"weight", "bias"}
    flip_a_bit(newest / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.safetensors is not what was written"):
        read_weights(newest)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.bin", "random_states_0.pkl"])
@pytest.mark.parametrize(
    "damage",
    [lambda path: path.write_bytes(b""), lambda path: path.unlink(), lambda path: path.write_bytes(b"garbage")],
)
def test_checkpoints_of_earlier_versions_are_not_taken_where_a_file_is_no_such_file(written, name, damage):
    good, newest = list_checkpoints(written.folder)
    for path in (good, newest):
        as_an_earlier_version_wrote_it(path)
    damage(newest / name)
    with pytest.raises(CheckpointError, match=rf"{newest} is damaged: .*; the newest good one is {good}") as caught:
        written.load(newest)
    assert "weights_only" not in str(caught.value), "torch's advice to run what the file holds"


def test_random_states_of_something_else_are_refused(written):
    newest = latest_checkpoint(written.folder)
    as_an_earlier_version_wrote_it(newest)
    torch.save({"step": 0}, newest / "random_states_0.pkl")
    with pytest.raises(CheckpointError, match=r"random_states_0\.pkl"):
        written.load(newest)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("null", "it holds no table"),
        ("[]", "it holds no table"),
        ("", "run.json"),
        ("[" * 100_000, "run.json"),
        ('{"identity": {}}', "step is None where the folder's name says 8"),
        ('{"step": 1000000000, "identity": {}}', "step is 1000000000 where"),
        ('{"step": -5, "identity": {}}', "step is -5 where"),
        ('{"step": "8", "identity": {}}', "step is '8' where"),
        ('{"step": 8.0, "identity": {}}', "step is 8.0 where"),
        ('{"step": 8}', "identity, the run's configuration, is no table"),
        ('{"step": 8, "identity": []}', "identity, the run's configuration, is no table"),
        ('{"step": 8, "identity": {}, "files": {}}', "files does not list model.safetensors"),
        ('{"step": 8, "identity": {}, "files": []}', "its list of files is no table"),
        ('{"step": 8, "identity": {}, "batch": {"batch_size": 0}}', "batch must hold"),
        ('{"step": 8, "identity": {}, "batch": null}', "batch must hold"),
    ],
)
def test_what_a_checkpoint_says_of_itself_is_read_through_its_schema(written, content, said):
    good, newest = list_checkpoints(written.folder)
    if content is None:
        (newest / "run.json").unlink()
        assert latest_checkpoint(written.folder) == newest, "it is not passed over"
    else:
        (newest / "run.json").write_text(content)
    for read in (written.load, read_state, read_weights):
        with pytest.raises(CheckpointError) as stop:
            read(newest)
        assert str(stop.value).startswith(f"checkpoint {newest} is damaged: run.json")
        assert said in str(stop.value)
        assert f"the newest good one is {good}" in str(stop.value)


@pytest.mark.parametrize("earlier", [False, True])
def test_steps_of_another_length_are_refused_with_what_to_do(written, earlier):
    path = latest_checkpoint(written.folder)
    if earlier:
        as_an_earlier_version_wrote_it(path)
    written.batch = GlobalBatch(batch_size=8, processes=2, num_images=100)
    message = (
        r"1 process x 8 images = 8 an update, and this would be 2 processes x 8 images = 16 an update.*"
        r"Set training\.batch_size=4, or start 1 process with training\.batch_size=8"
    )
    with pytest.raises(ConfigError, match=message):
        written.load(path)


@pytest.mark.parametrize(
    "batch",
    [
        GlobalBatch(batch_size=4, processes=2, num_images=100),
        GlobalBatch(batch_size=2, accumulate=4, num_images=100),
    ],
)
def test_the_same_images_an_update_go_on_however_they_are_shared(written, batch):
    written.batch = batch
    assert written.load(latest_checkpoint(written.folder)) == 8


def test_other_training_images_are_refused(written):
    written.batch = GlobalBatch(batch_size=8, num_images=99)
    with pytest.raises(ConfigError, match="trained on 100 images, and now there are 99"):
        written.load(latest_checkpoint(written.folder))


def test_ranks_of_an_earlier_version_are_counted_by_their_random_states(tmp_path):
    path = tmp_path / "step_00000008"
    path.mkdir()
    for rank in range(2):
        (path / f"random_states_{rank}.pkl").touch()
    assert kept_batch(path, {"identity": IDENTITY}) == GlobalBatch(batch_size=8, processes=2)
    assert kept_batch(path, {"identity": None}) is None
