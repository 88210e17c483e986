"""What is published under which name, over whose models, and what is left of them."""

import json
import threading
from dataclasses import replace

import pytest

from alphanet_plugin import store
from alphanet_plugin.cli.main import main
from alphanet_plugin.cli.options import read_run_arch
from alphanet_plugin.config import RunConfig, from_dict
from alphanet_plugin.errors import ConfigError, InUseError, StoreError
from alphanet_plugin.evaluation import Metrics
from alphanet_plugin.runs import RunFolder, TrainedRun, build_data, build_model, check_tag, publish_run, to_publish
from alphanet_plugin.runs import publishing as publishing_module
from alphanet_plugin.runs.trained_run import check_classes
from alphanet_plugin.weights import card


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(publishing_module, "Deployment", Unmeasured)
    monkeypatch.setattr(card, "_LATENCY_SECONDS", 0.0)


class Unmeasured:
    """In place of `Deployment`: subnets as they are, and made-up figures."""

    def __init__(self, run, resolution):
        self.run, self.splits = run, build_data(run.config, image_size=resolution)

    def measure(self, arch):
        return self.run.supernet.extract(arch), Metrics(top1=50.0, top5=90.0, loss=1.0, count=360)


def make_run(folder, *, seed=0, start=None):
    """A run of a slimmable network whose weights are random."""
    values = {"output": str(folder), "seed": seed, "space": {"name": "us_mobilenet_v2", "resolutions": [16]}}
    values |= {"data": {"image_size": 16}, "publish": {"tag": "mine", "presets": ["0.50x"], "front": 0}}
    config = from_dict(RunConfig, {**values, "training": {"init": start}})
    checkpoint = folder / "checkpoints/step_00000001"
    checkpoint.mkdir(parents=True)
    (checkpoint / "run.json").write_text(json.dumps({"step": 1, "identity": {}}))
    return TrainedRun(RunFolder(folder), config, checkpoint, build_model(config, 10), build_data(config))


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "first")


def names():
    return {entry.name for entry in store.list_published()}


PRINTED = "resolution=16 width=0.61"


def test_archs_of_ones_own_have_names_of_their_own(run, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("resolution: 16\nwidth: 0.41\n")
    archs = [read_run_arch(text, run) for text in ("0.75x", PRINTED, str(file))]
    chosen = to_publish(run, archs)
    assert list(chosen.values()) == sorted(archs, key=run.mflops)
    assert chosen["us_mobilenet_v2.mine_0p75x"] == run.space.presets["0.75x"]
    sized = f"us_mobilenet_v2.mine_{run.mflops(archs[1]):.1f}m".replace(".", "p").replace("v2p", "v2.")
    assert chosen[sized] == archs[1]
    assert list(to_publish(run)) == ["us_mobilenet_v2.mine_0p50x"]  # without any, what is configured


def test_two_archs_of_one_size_are_two_models(run):
    archs = [run.space.parse(f"resolution=16 width={width}") for width in (0.6101, 0.6102)]
    assert len({f"{run.mflops(arch):.1f}" for arch in archs}) == 1
    first, second = sorted(to_publish(run, archs))
    assert second == f"{first}_2"


@pytest.mark.parametrize("text", ["0.51x", "width=9", "resolution=16 width=7.0", "nothing.yaml", "front1"])
def test_what_is_no_arch_of_the_run_is_refused(run, text):
    with pytest.raises((ValueError, OSError)):
        read_run_arch(text, run)


def test_another_runs_tag_is_taken_with_replace_alone_and_nothing_stale_stays(run, tmp_path):
    both = to_publish(run, [run.space.presets["0.50x"], run.space.presets["0.75x"]])
    assert len(list(publish_run(run, both))) == 2
    list(publish_run(run, both))  # one's own are replaced without a word
    other = make_run(tmp_path / "second", seed=1)
    chosen = to_publish(other)
    id_of_first = store.list_published()[0].run["id"]
    with pytest.raises(StoreError, match=rf"the tag mine is taken: us_mobilenet_v2\.mine_0p50x, "
                       rf"us_mobilenet_v2\.mine_0p75x .* are of run first \({id_of_first}\); give another --tag, or "
                       r"--replace"):  # fmt: skip
        list(publish_run(other, chosen))
    assert names() == set(both)
    list(publish_run(other, chosen, replace=True))
    assert names() == {"us_mobilenet_v2.mine_0p50x"}
    assert store.list_published()[0].run["name"] == "second"
    tagged = replace(other, config=replace(other.config, publish=replace(other.config.publish, tag="theirs")))
    list(publish_run(tagged, to_publish(tagged)))  # what the message says beside: another tag
    assert names() == {"us_mobilenet_v2.mine_0p50x", "us_mobilenet_v2.theirs_0p50x"}


def test_a_replacement_that_fails_leaves_the_others_models(run, tmp_path, monkeypatch):
    list(publish_run(run, to_publish(run, [run.space.presets["0.75x"]])))
    other = make_run(tmp_path / "second", seed=1)

    def fail(*_):
        raise StoreError("no room")

    monkeypatch.setattr(publishing_module, "publish", fail)
    with pytest.raises(StoreError, match="no room"):
        list(publish_run(other, to_publish(other), replace=True))
    assert names() == {"us_mobilenet_v2.mine_0p75x"}


def test_a_tag_does_not_say_imagenet_of_other_images(run):
    with pytest.raises(ConfigError, match=r"'my_in1k' says ImageNet, and the 10 classes of digits .*--tag first"):
        check_tag(replace(run, config=replace(run.config, publish=replace(run.config.publish, tag="my_in1k"))))
    named = replace(run.splits, name="folder", class_names=tuple(f"n{number:08d}" for number in range(1000)))
    check_tag(replace(run, splits=named, config=replace(run.config, publish=replace(run.config.publish, tag="a_in1k"))))


def test_one_of_two_publishers_at_once_is_refused_and_the_other_ends(run):
    chosen = to_publish(run)
    publishing = publish_run(run, chosen)
    refused = []

    def publish_too():
        try:
            list(publish_run(run, chosen))
        except InUseError as error:
            refused.append(str(error))

    with store.owned_tag("mine"):
        thread = threading.Thread(target=publish_too)
        thread.start()
        thread.join()
    assert "the tag mine in" in refused[0]
    assert "give another --tag" in refused[0]
    assert len(list(publishing)) == 1
    assert names() == set(chosen)


def test_what_the_supernet_began_from_is_on_the_card(tmp_path):
    run = make_run(tmp_path / "run", start="runs/before")
    run.folder.start.write_text("runs/before (digits, 10 classes, images of 16 pixels)\n")
    list(publish_run(run, to_publish(run)))
    (entry,) = store.list_published()
    card_text = (entry.folder / "README.md").read_text()
    assert "| training began from | runs/before (digits, 10 classes, images of 16 pixels) |" in card_text
    run.folder.start.unlink()  # as an earlier version leaves it
    list(publish_run(run, to_publish(run)))
    assert "| training began from | runs/before |" in (entry.folder / "README.md").read_text()


def test_images_of_other_classes_are_named(run):
    weights = build_model(run.config, 7).state_dict()
    with pytest.raises(ConfigError, match=r"data\.name digits has 10 classes, and .*first was trained on 7; give the"):
        check_classes(run.folder, run.config, run.splits, weights)
    check_classes(run.folder, run.config, run.splits, run.supernet.state_dict())


def test_private_without_a_hub_is_refused(tmp_path, capsys):
    assert main(["publish", str(tmp_path), "--private"]) == 2
    assert "give --hub ORG too" in capsys.readouterr().err
