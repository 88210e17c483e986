"""Phases on one clock: the published schedules, and what makes no sense."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from alphanet_plugin.config import RunConfig, from_dict, list_recipes
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.runs import build_timeline, read_config

FACTS = json.loads((Path(__file__).parents[1] / "data/deps_schedules.json").read_text())
DEPS, OFA = FACTS["deps"], FACTS["ofa"]
BATCH = "training.batch_size=2048"


@pytest.mark.parametrize("form", ["released", "linear"])
def test_rate_and_epsilon_of_deps(form):
    config = read_config("deps_released", [BATCH, f"phases.shrink.scale.form={form}"])
    timeline = build_timeline(config, DEPS["iterations_per_epoch"])
    assert timeline.total_steps == DEPS["n_epochs"] * DEPS["iterations_per_epoch"]
    for row in DEPS["rows"]:
        step = row["epoch"] * DEPS["iterations_per_epoch"] + row["iteration"]
        phase = timeline.at(step)
        assert timeline.lr(step) == pytest.approx(row["lr"], rel=1e-11)
        assert phase.scale(step) == pytest.approx(row[f"epsilon_{form}"], rel=1e-9)
        assert len(phase.sampler.archs(step)) == row["networks"]


def test_the_papers_epsilon_begins_at_a_ten_thousandth():
    timeline = build_timeline(read_config("deps"), 100)
    start = timeline.phases[1].steps.start
    assert start == 135 * 100
    assert timeline.at(start).scale(start) == 1e-4
    assert timeline.at(start).scale(start + 499) == 1
    steps = [timeline.at(step).scale(step) for step in range(start, start + 500)]
    assert max(b - a for a, b in pairwise(steps)) == pytest.approx((1 - 1e-4) / 499)


def test_rates_of_once_for_all():
    timeline = build_timeline(read_config("ofa", [BATCH, "space.name=ofa_mbv3"]), OFA["iterations_per_epoch"])
    phases = {phase.name: phase for phase in timeline.phases}
    for row in OFA["rows"]:
        phase = phases[row["phase"]]
        step = phase.steps.start + row["epoch"] * OFA["iterations_per_epoch"] + row["iteration"]
        assert len(phase.steps) == row["epochs_with_warmup"] * OFA["iterations_per_epoch"]
        assert timeline.at(step) is phase
        assert timeline.lr(step) == pytest.approx(row["lr"], rel=1e-11)
        assert len(phase.sampler.archs(step)) == row["subnets"]


def test_phases_of_once_for_all_open_one_field_after_the_other():
    timeline = build_timeline(read_config("ofa", ["space.name=ofa_mbv3"]), 10)
    spaces = {phase.name: phase.sampler.sampler.space for phase in timeline.phases}
    left = {
        name: [{gene.choices for gene in space.genes if gene.field == field} for field in ("depth", "expand_ratio")]
        for name, space in spaces.items()
    }
    assert left["kernel"] == [{(4,)}, {(6,)}]
    assert left["depth1"] == [{(3, 4)}, {(6,)}]
    assert left["depth2"] == [{(2, 3, 4)}, {(6,)}]
    assert left["expand1"] == [{(2, 3, 4)}, {(4, 6)}]
    assert left["expand2"] == [{(2, 3, 4)}, {(3, 4, 6)}]
    assert [phase.keep_teacher for phase in timeline.phases] == [True, False, False, False, False, False]


def test_compofa_trains_its_243_archs():
    timeline = build_timeline(read_config("compofa", ["space.name=ofa_mbv3", "space.resolutions=[224]"]), 10)
    for phase in timeline.phases[1:]:
        space = phase.sampler.sampler.space
        assert space.num_archs == 243
        assert [space.mflops(arch) for arch in (space.smallest(), space.largest())] == [124.326864, 446.764320]


def test_bignas_falls_by_three_percent_every_2_4_epochs_to_a_twentieth():
    timeline = build_timeline(read_config("bignas", ["training.batch_size=4096"]), 10)
    peak = 5 * 10
    assert timeline.lr(peak - 1) == pytest.approx(0.256)
    assert timeline.lr(peak) == pytest.approx(0.256)
    assert timeline.lr(peak + 24) == pytest.approx(0.97 * 0.256)
    assert timeline.lr(3599) == pytest.approx(0.05 * 0.256)


def test_without_phases_there_is_one():
    config = from_dict(RunConfig, {"output": "x", "training": {"epochs": 3, "warmup_epochs": 1, "lr": 0.5}})
    timeline = build_timeline(config, 10)
    assert [(phase.name, phase.steps) for phase in timeline.phases] == [("train", range(30))]
    assert timeline.lr(0) == 0.5 * 0.001
    assert timeline.lr(10) == 0.5
    assert timeline.at(7).scale(7) == 1


@pytest.mark.parametrize("name", list_recipes())
@pytest.mark.parametrize("space", ["attentive_nas", "ofa_mbv3", "ofa_proxyless", "ofa_mbv3_cifar", "us_mobilenet_v2"])
def test_every_recipe_on_every_space_that_it_makes_sense_for(name, space):
    config = read_config(name, [f"space.name={space}", "kd={name: reverse_kl}"])
    needed = {"ofa": {"depth"}, "compofa": {"depth"}, "deps_released": {"expand_ratio"}}.get(name, set())
    missing = space == "us_mobilenet_v2" and needed
    other_stages = name == "compofa" and space in ("attentive_nas", "ofa_proxyless")
    if missing or other_stages:
        with pytest.raises(ConfigError, match=r"^phases\.\w+"):
            build_timeline(config, 50)
    else:
        timeline = build_timeline(config, 50)
        assert timeline.total_steps == config.training.epochs * 50
        assert all(type(phase.others.kd).__name__ == "ReverseKLDivergence" for phase in timeline.phases)


FULL = {"name": "full", "share": 0.5, "sampler": {"name": "largest"}}


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([], "phases must hold at least one"),
        ([FULL, {"name": "full"}], "full is an earlier one's"),
        (
            [FULL, {"name": "b", "teacher": "c"}, {"name": "c", "share": 0.1}],
            r"phases\.b\.teacher: c must be an earlier",
        ),
        ([{"name": "a", "teacher": "a"}], r"phases\.a\.teacher: a must be an earlier phase.*none before the first"),
        ([FULL, {"name": "b", "teacher": "resnot50"}], r"phases\.b\.teacher: resnot50 is no earlier phase \(full, b\)"),
        ([FULL, {"name": "b", "share": 0.2}], "the shares add up to 0.7, not 1"),
        ([FULL, {"name": "b", "share": "3/4"}], "the shares are more than 1 together"),
        ([FULL, {"name": "b"}, {"name": "c"}], "b, c have neither share nor steps"),
        ([FULL, {"name": "b", "share": "a half"}], "share must be a share such as 0.5 or 180/605, not 'a half'"),
        ([FULL, {"name": "b", "share": 0.1, "steps": 3}], "give share or steps, not both"),
        ([FULL, {"name": "b", "scale": {"length": 1.5}}], "the ramp is longer than its phase"),
        (
            [FULL, {"name": "b", "scale": {"steps": 51}}],
            r"phases\.b\.scale: the ramp of 51 steps is longer than .* 50 of 50",
        ),
        ([FULL, {"name": "b", "scale": {}}], "give length, a share, or steps"),
        ([{**FULL, "scale": {"length": 1}}, {"name": "b"}], r"phases\.full\.scale: it has one pass a step"),
        ([{"name": "a", "first": {"weight": 1}}], r"phases\.a\.first\.weight: the first pass of a step has no teacher"),
        ([FULL, {"name": "b", "keep_largest": {"colour": 1}}], r"phases\.b\.keep_largest\.colour: space attentive_nas"),
        ([FULL, {"name": "b", "keep_largest": {"depth": 0}}], r"keep_largest\.depth must be a number of candidates"),
        ([FULL, {"name": "b", "choices": {"depth": [99]}}], r"phases\.b: choices\.depth: 99 is not a candidate"),
        ([FULL, {"name": "b", "sort_channels": 7}], r"phases\.b\.sort_channels: space attentive_nas has"),
        (
            [{"name": "a", "sort_channels": 0}],
            r"phases\.a\.sort_channels: nothing is trained yet to sort by; leave it out",
        ),
        (
            [FULL, {"name": "b", "kernel_transform": "freeze"}],
            r"phases\.b\.kernel_transform: .*freeze; set supernet",
        ),
        ([FULL, {"name": "b", "rate": {"floor": 2}}], "floor must be at most 1"),
        ([{"name": "a", "steps": 101}], "they take 101 steps and the run has 100"),
        ([{"name": "a", "steps": 100}, {"name": "b"}], r"phases\.b has no step"),
        ([{"name": "first"}], "name must be letters"),
        ([{"name": "a", "shar": 1}], r"phases\[0\]\.shar is no key; did you mean 'share'"),
    ],
)
def test_what_makes_no_sense_is_an_error_before_the_first_step(phases, message):
    def build():
        training = {"epochs": 10, "warmup_epochs": 1}
        return build_timeline(from_dict(RunConfig, {"output": "x", "phases": phases, "training": training}), 10)

    with pytest.raises(ConfigError, match=message):
        build()


def test_a_recipe_lies_under_the_users_keys(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "output: x\nrecipe: deps\nkd: {name: adaptive_alpha}\ntraining: {epochs: 4}\n"
        "phases: {shrink: {scale: {length: 0.5}}}\n"
    )
    config = read_config(mine, ["phases.full.share=0.25"])
    assert (config.kd.name, config.training.epochs, config.training.lr) == ("adaptive_alpha", 4, 0.325)
    assert [phase.name for phase in config.phases] == ["full", "shrink"]
    assert (config.phases[0].share, config.phases[1].scale.length, config.phases[1].scale.first) == (0.25, 0.5, 1e-4)
    assert read_config("configs/digits.yaml", ["recipe=deps"]).training.lr == 0.02, "its own"
    with pytest.raises(ConfigError, match=r"recipe: there is no 'depps'; did you mean 'deps'"):
        read_config("configs/digits.yaml", ["recipe=depps"])
    with pytest.raises(ConfigError, match=r"no entry is called shrnk; did you mean 'shrink'\?"):
        read_config("deps", ["phases.shrnk.share=0.5"])
    mine.write_text("output: x\nrecipe: deps\nphases: {shrnk: {share: 0.5}}\n")
    with pytest.raises(ConfigError, match=r"phases\.shrnk: no entry is called so; did you mean 'shrink'\?"):
        read_config(mine)
