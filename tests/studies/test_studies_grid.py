"""From a study's YAML to its runs."""

import pytest
import yaml

from alphanet_plugin.config import StudyConfig, from_dict, read_config
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.runs import build_timeline
from alphanet_plugin.shipped import shipped
from alphanet_plugin.studies import Study
from alphanet_plugin.studies.grid import merge

SHIPPED = {path.stem: path for path in sorted(shipped("configs/studies").glob("*.yaml")) if path.stem != "figure2"}
STUDIES = {name: Study(read_config(StudyConfig, path)) for name, path in SHIPPED.items()}
# name -> groups, arms, subnets in the table of each group, seeds on digits, teachers
GRIDS = {
    "table1": (2, 3, (11, 9), 0),
    "table2": (2, 4, (11, 9), 0),
    "table3": (1, 5, (7,), 0),
    "table5": (2, 5, (0, 0), 2),
    "table6": (5, 2, (0,) * 5, 5),
    "ablation": (1, 10, (7,), 0),
}
DEPS = {"deps_table2": 4, "deps_figure2": 4, "deps_figure7": 5, "deps_kd": 4}
EQUAL = {"deps_equal_cost": 4, "deps_equal_epochs": 4}
"""Name -> arms, of studies of six networks each."""
ALPHANETS = [name for name in SHIPPED if name.endswith(("imagenet", "digits")) and not name.startswith("deps_")]


def folders(name, arm=None):
    return {cell.folder for cell in STUDIES[name].cells if arm is None or cell.arm == arm}


def test_every_study_comes_in_both_sizes():
    assert set(ALPHANETS) == {f"{name}_{size}" for name in GRIDS for size in ("imagenet", "digits")}
    of_deps = {f"{name}_{size}" for name in DEPS for size in ("imagenet", "cifar", "fashion_mnist")}
    equal = {f"{name}_fashion_mnist" for name in EQUAL}
    assert set(SHIPPED) - set(ALPHANETS) == {*of_deps, *equal, "table1_fashion_mnist"}


def test_table_1_on_fashion_mnist_has_a_teacher_worth_following():
    cells = STUDIES["table1_fashion_mnist"].cells
    assert len({cell.folder for cell in cells}) == 2 * 3 * 5
    assert {60_000 - cell.config.data.search_count for cell in cells} == {20_000}
    assert {(cell.config.training.epochs, cell.config.data.name) for cell in cells} == {(15, "fashion_mnist")}


@pytest.mark.parametrize("name", [name for name in SHIPPED if name.startswith("deps_")])
def test_studies_of_deps_train_what_the_paper_compares(name):
    kind, _, data = name.replace("fashion_mnist", "fashion").rpartition("_")
    runs = STUDIES[name].cells
    arms = {**DEPS, **EQUAL}[kind]
    assert len(runs) == arms * (1 if data == "imagenet" else 5) == len({cell.folder for cell in runs})
    assert {len(cell.measure) for cell in runs if cell.arm != "CompOFA"} == {6}
    assert {cell.config.data.name for cell in runs} == {
        {"imagenet": "folder", "cifar": "cifar10", "fashion": "fashion_mnist"}[data]
    }
    for cell in runs[:: 1 if data == "imagenet" else 5]:
        timeline = build_timeline(cell.config, 200)
        assert timeline.total_steps == 200 * cell.config.training.epochs
    if data == "imagenet":
        assert {cell.config.training.epochs for cell in runs} <= {81, 135, 189, 270, 605, 330, 400}


@pytest.mark.parametrize("name", [name for name in SHIPPED if name.startswith(("deps_table2", "deps_equal"))])
def test_compofa_is_measured_at_archs_that_it_trains(name):
    cell = next(cell for cell in STUDIES[name].cells if cell.arm == "CompOFA")
    trained = build_timeline(cell.config, 200).phases[-1].sampler.space
    archs = [trained.presets[one] if one in trained.presets else trained.parse(one) for one in cell.measure]
    assert len(archs) == 3
    assert all(trained.holds(arch) for arch in archs)


def test_figure_2_of_deps_stops_one_curve_at_four_places():
    lr = [build_timeline(cell.config, 100).lr(199) for cell in STUDIES["deps_figure2_fashion_mnist"].cells[::5]]
    assert lr == pytest.approx([lr[0]] * 4)


@pytest.mark.parametrize("name", ALPHANETS)
def test_shipped_studies_expand_to_the_papers_grid(name):
    groups, arms, measured, teachers = GRIDS[name.partition("_")[0]]
    study = STUDIES[name]
    digits = name.endswith("digits")
    seeds = 5 if digits else 1
    runs = [cell for cell in study.cells if not cell.teaches]
    assert len(runs) == groups * arms * seeds == len({cell.folder for cell in runs})
    assert len(study.cells) - len(runs) == (teachers if digits else 0)
    by_group = {cell.group: len(cell.measure) for cell in runs}
    assert tuple(by_group.values()) == measured
    assert {cell.seed for cell in runs} == set(range(seeds))
    assert all(cell.config.seed == cell.seed for cell in runs)
    assert all(cell.config.data.name == ("digits" if digits else "folder") for cell in runs)
    assert study.config.baseline in {cell.arm for cell in runs}


@pytest.mark.parametrize("name", [name for name in SHIPPED if name.endswith("imagenet")])
def test_the_commands_of_the_comments_name_the_images(name):
    study = Study(read_config(StudyConfig, SHIPPED[name], ["set.data.root=/path/to/imagenet"]))
    assert {cell.config.data.root for cell in study.cells} == {"/path/to/imagenet"}
    assert f"alphanet study configs/studies/{name}.yaml --set set.data.root=" in SHIPPED[name].read_text()


def test_published_sizes():
    for name in ("table1", "table2", "table3", "table5", "ablation"):
        for cell in STUDIES[f"{name}_imagenet"].cells:
            assert cell.config.training.epochs == 360
            assert cell.config.training.batch_size * 8 == 2048
    epochs = [cell.config.training.epochs for cell in STUDIES["table6_imagenet"].cells]
    assert epochs == [120] * 8 + [300] * 2


def test_arms_are_the_papers():
    kd = {cell.arm: cell.config.kd for cell in STUDIES["ablation_digits"].cells}
    settings = {(one.clip, one.alpha_min, one.alpha_max) for one in kd.values() if one.name == "adaptive_alpha"}
    clips = {(clip, -1.0, 1.0) for clip in (1.0, 3.0, 5.0, 10.0)}
    alphas = {(5.0, low, high) for low, high in ((-2, 1), (0, 1), (-1, 0.5), (-1, 2), (-1, -1))}
    assert settings == clips | alphas
    table3 = {cell.arm: (cell.config.kd.name, cell.config.sampler.name) for cell in STUDIES["table3_digits"].cells}
    assert table3["w/ KL-KD + attentive sampling"] == ("kl", "attentive")
    temperatures = [cell.config.kd.temperature for cell in STUDIES["table2_digits"].cells[:4]]
    assert temperatures == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize("size", ["digits", "imagenet"])
def test_equal_runs_of_two_studies_are_one(size):
    assert folders(f"table3_{size}", "w/ KL-KD") == folders(f"ablation_{size}", "w/ KL-KD")
    adaptive = folders(f"ablation_{size}", "clip 5, alpha -1 and 1")
    assert folders(f"table3_{size}", "w/ Adaptive-KD") == adaptive
    assert folders(f"table1_{size}", "w/ KL-KD") == folders(f"table2_{size}", "w/ KL-KD (T = 1)")


def test_runs_are_known_by_what_they_were_before():
    """Folders of runs that were made already; a new key of a configuration must not give them other names."""
    values = {
        "output": "x", "base": {}, "seeds": [4], "arms": [{"name": "a"}],
        "set": {
            "space": {"name": "attentive_nas", "resolutions": [16, 20, 24, 28]}, "data": {"image_size": 28},
            "training": {
                "epochs": 8, "batch_size": 64, "lr": 0.02, "warmup_epochs": 1, "drop_rate": 0.0, "drop_path_rate": 0.0,
            },
        },
    }  # fmt: skip
    (cell,) = Study(from_dict(StudyConfig, values)).cells
    assert cell.folder.name == "616417cec60b33a3"


def test_merge():
    base = {"kd": {"name": "adaptive_alpha", "clip": 5.0}, "training": {"epochs": 3, "lr": 0.1}}
    assert merge(base, {"kd": {"name": "kl"}})["kd"] == {"name": "kl"}
    assert merge(base, {"kd": {"name": "adaptive_alpha", "alpha_min": -2}})["kd"]["clip"] == 5.0
    assert merge(base, {"kd": {"clip": 3.0}})["kd"] == {"name": "adaptive_alpha", "clip": 3.0}
    assert merge(base, {"training": {"epochs": 1}})["training"] == {"epochs": 1, "lr": 0.1}
    assert base["training"]["epochs"] == 3


def test_groups_set_over_the_study_and_arms_over_groups():
    values = {
        "output": "x", "base": "configs/digits.yaml", "seeds": [0], "set": {"training": {"epochs": 2, "lr": 0.3}},
        "groups": [{"name": "g", "set": {"training": {"epochs": 3, "batch_size": 16}}, "measure": ["a1"]}],
        "arms": [{"name": "a", "set": {"training": {"batch_size": 8, "warmup_epochs": 0}}}], "measure": ["a0"],
    }  # fmt: skip
    (cell,) = Study(from_dict(StudyConfig, values)).cells
    training = cell.config.training
    assert (training.epochs, training.lr, training.batch_size) == (3, 0.3, 8)
    assert cell.measure == ("a1",)


PLAIN = {
    "output": "x",
    "base": "configs/digits.yaml",
    "arms": [{"name": "a"}, {"name": "b", "set": {"kd": {"name": "kl"}}}],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arm": []}, "arm is no key; did you mean 'arms'"),
        ({"seeds": []}, "seeds must name at least one"),
        ({"seeds": [1, 1]}, "seeds name '1' twice"),
        ({"arms": [{"name": "a"}, {"name": "a"}]}, "arms name 'a' twice"),
        ({"baseline": "c"}, r"baseline must be one of the arms \(a, b\), not 'c'"),
        ({"set": {"training": {"epoch": 3}}}, "a: training.epoch is no key; did you mean 'epochs'"),
        ({"arms": [{"name": "a", "set": {"kd": {"name": "kll"}}}]}, "a: kd.name must be one of"),
        ({"arms": [{"name": "a", "set": {"kd": {"clip": 0.0}}}]}, "a: kd.clip must be a number above 0"),
        ({"measure": ["a9"]}, "a: measure: no arch 'a9', nor a YAML file or the printed form, .* known are a0, a1"),
        ({"measure": ["resolution=16"]}, "a: measure: field width is missing"),
        ({"pictures": [{"kind": "pareto"}]}, "a picture of kind pareto needs search"),
        ({"pictures": [{"kind": "pie"}]}, "kind must be one of 'measured', 'pareto'"),
        ({"random_subnets": 4, "pictures": [{"kind": "relative"}]}, "needs a baseline"),
        ({"random_subnets": 4, "pictures": [{"kind": "boxes", "arms": ["c"]}]}, "'c' is none of the arms a, b"),
        ({"search": True, "pictures": [{"kind": "pareto"}, {"kind": "pareto"}]}, "pictures name 'pareto' twice"),
        ({"workers": 0}, "workers must be at least 1, not 0"),
        ({"workers": 2, "launch": "accelerate launch"}, "with launch there is one run at a time"),
        ({"base": "configs/digitz.yaml"}, "there is no configs/digitz.yaml"),
        ({"groups": [{"name": "g", "teacher": {"base": "x"}}]}, "a teacher is of studies of kind network"),
        ({"kind": "network", "base": "configs/distill/digits.yaml", "search": True}, "search is of supernets"),
        ({"kind": "network", "base": "configs/distill/digits.yaml", "measure": ["a0"]}, "measure names subnets"),
    ],
)  # fmt: skip
def test_mistakes_are_named_before_anything_runs(changes, message, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**PLAIN, **changes}))
    with pytest.raises((ConfigError, FileNotFoundError), match=message):
        Study(read_config(StudyConfig, path))
