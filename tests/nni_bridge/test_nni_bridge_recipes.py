"""Recipes as NNI strategies: trained in NNI experiments, in Python and from YAML."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch
import yaml
from nni.nas.hub.pytorch import ShuffleNetSpace

from alphanet_plugin.config import list_recipes
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.losses import ReverseKLDivergence
from alphanet_plugin.nni_bridge import (
    AccelerateEvaluator,
    AlphaNetStrategy,
    ElasticSpace,
    KLStrategy,
    SupernetStrategy,
    run_experiment,
)
from alphanet_plugin.nni_bridge.nas.experiment import STRATEGIES, build_parts, read_sections, run_file
from alphanet_plugin.nni_bridge.nas.strategy import as_supernet
from alphanet_plugin.runs import build_timeline, open_run
from alphanet_plugin.samplers import Sampler
from alphanet_plugin.supernet.layers import KernelTransformConv2d

sys.path.insert(0, str(Path(__file__).parents[1] / "runs"))
from phased_run import TABLE

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
DATA = {"name": "digits", "image_size": 24, "search_count": 1421}  # 16 images are left
EVALUATION = {"search_calibration_batches": 1, "batch_size": 700}
TRAINING = {"epochs": 6, "batch_size": 4, "lr": 0.02, "save_every": 100}


def evaluator(output, **training):
    return AccelerateEvaluator(str(output), DATA, {**TRAINING, **training}, EVALUATION)


def small_space():
    return ElasticSpace({"table": TABLE}, num_classes=10, seed=0)


def config_of(strategy, output="run", space=None, **training):
    return strategy.run_config(evaluator(output, **training), as_supernet(space or small_space()))


def test_a_recipe_lies_under_what_the_evaluator_says():
    strategy = SupernetStrategy(recipe="deps", phases={"shrink": {"scale": {"length": 0.5}}}, temperature=2.0)
    config = config_of(strategy)
    assert (config.kd.name, config.kd.temperature) == ("kl", 2.0)
    assert (config.training.epochs, config.training.lr) == (6, 0.02)
    assert (config.training.weight_decay, config.training.clip_value) == (3e-5, None)  # the recipe's
    timeline = build_timeline(config, 2)
    assert [(phase.name, len(phase.steps)) for phase in timeline.phases] == [("full", 6), ("shrink", 6)]
    assert timeline.phases[1].scale(6) == pytest.approx(1e-4)
    assert timeline.phases[1].scale(7) < timeline.phases[1].scale(8) == 1


def test_what_the_strategies_are_without_a_recipe():
    assert config_of(AlphaNetStrategy(), warmup_epochs=0) == config_of(SupernetStrategy(), warmup_epochs=0)
    for name, strategy in (("alphanet", SupernetStrategy(num_random=2)), ("us_mobilenet", KLStrategy())):
        same = {"drop_rate": 0.0, "label_smoothing": 0.0, "clip_value": None, "warmup_epochs": 0, "drop_path_rate": 0.0}
        recipe, without = (config_of(one, **same) for one in (SupernetStrategy(recipe=name), strategy))
        assert (recipe.kd, recipe.sampler, recipe.training) == (without.kd, without.sampler, without.training)


def test_another_strategys_loss_goes_with_a_recipe():
    config = config_of(AlphaNetStrategy(recipe="deps", clip=3.0))
    assert (config.kd.name, config.kd.clip) == ("adaptive_alpha", 3.0)
    assert [phase.name for phase in config.phases] == ["full", "shrink"]


def test_once_for_all_in_an_experiment(tmp_path):
    """Its kernel transform, its fixed teacher and its subspaces; the run is one of alphanet train."""
    space = small_space()
    strategy = SupernetStrategy(recipe="ofa", num_candidates=0)
    experiment = run_experiment(space, evaluator(tmp_path / "run"), strategy)
    records = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    phases = ["teacher", "kernel", "depth1", "depth2", "expand1", "expand2"]
    assert list(dict.fromkeys(record["phase"] for record in records)) == phases
    assert (tmp_path / "run/teachers/teacher/model.safetensors").is_file()
    (best,) = experiment.export_top_models(1)
    assert 0 <= best.metric <= 100
    assert best.executable_model().arch in {result.arch for result in strategy.training.results}
    assert any(isinstance(module, KernelTransformConv2d) for module in space.modules())
    run = open_run(tmp_path / "run")
    assert run.space.to_config() == space.space.to_config()
    experiment.stop()


def test_dropout_of_a_run_acts_in_the_space_of_an_experiment(tmp_path):
    space = small_space()
    before = {name: tensor.clone() for name, tensor in as_supernet(space).state_dict().items()}
    strategy = SupernetStrategy(recipe="deps", num_candidates=0)
    experiment = run_experiment(space, evaluator(tmp_path / "run", epochs=2, batch_size=16, lr=1e-30), strategy)
    supernet = space.network.supernet
    supernet.activate(supernet.space.largest(), drop=True)
    assert supernet.drop_rate == 0.1
    after = supernet.state_dict()
    torch.testing.assert_close(dict(after), before)  # the weights came along
    experiment.stop()


@pytest.mark.slow
def test_deps_trains_a_space_of_nnis_hub(tmp_path):
    run = evaluator(tmp_path, epochs=2, batch_size=16)
    experiment = run_experiment(ShuffleNetSpace(num_labels=10), run, SupernetStrategy(recipe="deps", num_candidates=0))
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(record["phase"], record["backwards"]) for record in records] == [("full", 1), ("shrink", 4)]
    experiment.stop()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": "dips"}, "recipe: there is no 'dips'; did you mean 'deps'"),
        ({"recipe": "deps", "num_random": 1}, r"num_random: each phase (full, shrink) says which archs it trains"),
        ({"recipe": "deps", "phases": {"shrunk": {}}}, "phases.shrunk: no entry is called so"),
        ({"recipe": "deps", "alpha_min": 1}, "kd.alpha_min is no key"),
    ],
)
def test_a_mistake_shows_before_training(arguments, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        SupernetStrategy(**arguments)


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ({"name": "one", "teacher": "resnet18"}, "phases.one.teacher: a space of NNI's learns from its first pass"),
        ({"name": "one", "sampler": {"name": "uniform"}}, "sampler.name: uniform goes by an arch's multiply-adds"),
        ({"name": "one", "keep_largest": {"depth": 1}}, "space nni decides no depth"),
    ],
)
def test_what_nnis_spaces_cannot_do(phases, message):
    supernet = as_supernet(ShuffleNetSpace(num_labels=10))
    with pytest.raises(ConfigError, match=message):
        build_timeline(
            SupernetStrategy(phases=[phases]).run_config(evaluator("run"), supernet), 2, space=supernet.space
        )


def write(folder, strategy, **training):
    content = {
        "space": {"name": "elastic", "space": {"table": TABLE}, "num_classes": 10, "seed": 0},
        "evaluator": {"output": str(folder / "run"), "data": DATA, "evaluation": EVALUATION,
                      "training": {**TRAINING, "epochs": 2, **training}},
        "strategy": strategy,
    }  # fmt: skip
    (folder / "experiment.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder / "experiment.yaml"


@pytest.mark.parametrize("recipe", list_recipes())
def test_every_recipe_is_a_strategy_by_name(tmp_path, recipe):
    assert recipe in STRATEGIES
    _, _, strategy = build_parts(read_sections(write(tmp_path, {"name": recipe, "temperature": 2.0}, warmup_epochs=0)))
    assert strategy.recipe == (None if recipe == "alphanet" else recipe)
    assert strategy.run_config(evaluator("run", warmup_epochs=0), as_supernet(small_space())).kd.temperature == 2.0


def test_a_recipe_from_a_file(tmp_path):
    strategy = {"name": "deps", "num_candidates": 0, "phases": {"full": {"share": 0.25}}, "kd": {"name": "reverse_kl"}}
    run_file(write(tmp_path, strategy)).stop()
    config = open_run(tmp_path / "run").config
    assert (config.kd.name, config.phases[0].share) == ("reverse_kl", 0.25)
    with pytest.raises(ConfigError, match="warmup_epochs must be from 0 to epochs"):
        build_parts(read_sections(write(tmp_path, {"name": "attentive_nas"})))
    typo = {"name": "deps", "temperatur": 2.0}
    with pytest.raises(ConfigError, match="strategy deps: 'temperatur' is not known; did you mean 'temperature'"):
        build_parts(read_sections(write(tmp_path, typo)))


class Ends(Sampler):
    def __init__(self, space):
        self.space = space

    def archs(self, step):  # noqa: ARG002
        return [self.space.largest(), self.space.smallest()]


def test_parts_of_ones_own(tmp_path):
    space = small_space()
    own = {"kd_loss": ReverseKLDivergence(3.0), "sampler": Ends(space.space)}
    strategy = SupernetStrategy(**own, num_candidates=0)
    run_experiment(space, evaluator(tmp_path / "run", epochs=1, warmup_epochs=0), strategy).stop()
    (state,) = (tmp_path / "run/checkpoints").glob("*/run.json")
    kept = json.loads(state.read_text())["identity"]["own"]
    assert kept["kd_loss"] == {"name": "alphanet_plugin.losses.alpha.ReverseKLDivergence", "temperature": 3.0}
    assert kept["sampler"]["name"].endswith(".Ends")
    with pytest.raises(TypeError, match="kd_loss must be a KDLoss built in Python, not 'kl'"):
        SupernetStrategy(kd_loss="kl")
