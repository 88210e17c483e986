"""Our strategies in NNI experiments: what they train, report, export, and go on with after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nni
import numpy as np
import pytest
import torch
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig
from nni.nas.hub.pytorch import MobileNetV3Space, ProxylessNAS, ShuffleNetSpace
from nni.nas.strategy import Random, RegularizedEvolution
from safetensors.torch import load_file

from alphanet_plugin.errors import ConfigError, SearchError
from alphanet_plugin.models import MobileNetwork
from alphanet_plugin.nni_bridge import (
    AccelerateEvaluator,
    AlphaNetStrategy,
    ElasticSpace,
    KLStrategy,
    OneShotSupernet,
    run_experiment,
)
from alphanet_plugin.nni_bridge.nas.strategy import as_supernet, space_section
from alphanet_plugin.runs import build_space, open_run
from alphanet_plugin.spaces import get_space
from alphanet_plugin.training import latest_checkpoint

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SECTIONS = {
    "data": {"name": "digits", "image_size": 16},
    "training": {"epochs": 1, "batch_size": 256, "lr": 0.05, "warmup_epochs": 0, "save_every": 2, "drop_rate": 0.0},
    "evaluation": {"search_calibration_batches": 1, "batch_size": 128},
}


def evaluator(output, **changed):
    return AccelerateEvaluator(str(output), **{**SECTIONS, **changed})


def space():
    return ElasticSpace(num_classes=10, resolutions=(16,), seed=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An AlphaNetStrategy experiment that has ended, and what it reported."""
    folder = tmp_path_factory.mktemp("trained")
    os.environ["HOME"], before = str(folder), os.environ["HOME"]
    strategy = AlphaNetStrategy(num_random=1, num_candidates=2)
    reported = []
    with pytest.MonkeyPatch.context() as patch:
        final, intermediate = nni.report_final_result, nni.report_intermediate_result
        patch.setattr(nni, "report_final_result", lambda value: (reported.append(value), final(value)))
        patch.setattr(nni, "report_intermediate_result", lambda value: (reported.append(value), intermediate(value)))
        experiment = run_experiment(space(), evaluator(folder / "run"), strategy)
    yield experiment, strategy, folder / "run", reported
    experiment.stop()
    os.environ["HOME"] = before


def test_trains_reports_and_exports(trained):
    experiment, strategy, folder, (intermediate, final) = trained
    models = experiment.export_top_models(3)
    assert [model.metric for model in models] == sorted((model.metric for model in models), reverse=True)
    ranked = {result.arch: result.metrics.top1 for result in strategy.training.results}
    assert len(ranked) == 11  # eight presets, of which a0 is the smallest; two drawn; the largest
    model = models[0].executable_model()
    assert type(model) is MobileNetwork
    assert ranked[model.arch] == models[0].metric == max(ranked.values())
    assert 0 <= intermediate <= 100
    assert final["default"] == pytest.approx(np.mean(list(ranked.values())))
    assert len((folder / "log.jsonl").read_text().splitlines()) == 4


def test_the_run_is_one_of_alphanet_train(trained):
    _, strategy, folder, _ = trained
    run = open_run(folder)
    assert run.config.kd.name == "adaptive_alpha"
    assert run.config.sampler.num_random == 1
    for name, tensor in run.supernet.state_dict().items():
        assert torch.equal(tensor, strategy.training.supernet.state_dict()[name]), name


def test_a_multi_trial_search_over_the_trained_supernet(trained, tmp_path):
    """Weights stay: with no epochs a trial recalibrates its slice and measures it."""
    experiment, _, _, _ = trained
    supernet = experiment.model_space
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    config = NasExperimentConfig("sequential", "raw")
    config.max_trial_number = 3
    measure = evaluator(tmp_path / "search", training={"epochs": 0, "batch_size": 64})
    search = run_experiment(supernet, measure, RegularizedEvolution(population_size=2, sample_size=2), config=config)
    (best,) = search.export_top_models(1)
    assert best.metric == pytest.approx(measure.evaluate(best.executable_model()))
    assert all(torch.equal(before[name], tensor) for name, tensor in supernet.state_dict().items())
    assert not (tmp_path / "search").exists()
    search.stop()


@pytest.mark.slow
def test_a_frozen_model_is_trained_alone(tmp_path):
    torch.manual_seed(0)
    model = space().random(random_state=np.random.RandomState(0))
    before = [parameter.clone() for parameter in model.parameters()]
    top1 = evaluator(tmp_path, training={**SECTIONS["training"], "epochs": 2}).evaluate(model)
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert top1 > 20  # a tenth is chance


def test_the_evaluator_serialises(tmp_path):
    loaded = nni.load(nni.dump(evaluator(tmp_path)))
    assert type(loaded) is type(evaluator(tmp_path))
    assert (loaded.output, loaded.data, loaded.training) == (str(tmp_path), SECTIONS["data"], SECTIONS["training"])


@pytest.mark.parametrize(
    ("sections", "message"),
    [({"training": {"epoch": 1}}, "did you mean 'epochs'"), ({"data": {"image_size": 2}}, "at least 8 pixels")],
)
def test_the_evaluator_names_a_mistake(tmp_path, sections, message):
    with pytest.raises(ConfigError, match=message):
        AccelerateEvaluator(str(tmp_path), **sections)


@pytest.mark.parametrize("kind", [MobileNetV3Space, ProxylessNAS, ShuffleNetSpace])
def test_spaces_of_nnis_hub_as_supernets(kind):
    torch.manual_seed(0)
    supernet = OneShotSupernet(kind(num_labels=10)).train()
    images = torch.randn(2, 3, 64, 64)
    sizes = []
    archs = [supernet.space.smallest(), supernet.space.sample(np.random.default_rng(0)), supernet.space.largest()]
    for arch in archs:
        assert supernet.space.arch_of(supernet.space.sample_of(arch)) == arch
        supernet.activate(arch)
        subnet = supernet.extract(arch)
        sizes.append(sum(parameter.numel() for parameter in subnet.parameters()))
        torch.manual_seed(1)
        expected = supernet(images)
        torch.manual_seed(1)
        torch.testing.assert_close(subnet(images), expected)
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [AlphaNetStrategy, KLStrategy])
def test_strategies_train_a_space_of_nnis_hub(strategy, tmp_path):
    model_space = ShuffleNetSpace(num_labels=10)
    training = {**SECTIONS["training"], "batch_size": 512}
    run = evaluator(tmp_path, training=training, data={"name": "digits", "image_size": 32})
    experiment = NasExperiment(model_space, run, strategy(num_random=1, num_candidates=1))  # NNI's own, as it stands
    experiment.run()
    (best,) = experiment.export_top_models(1)
    assert best.executable_model()(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    experiment.stop()


def test_other_evaluators_and_engines_are_refused(tmp_path):
    with pytest.raises(TypeError, match="AlphaNetStrategy needs an AccelerateEvaluator"):
        run_experiment(space(), FunctionalEvaluator(len), AlphaNetStrategy())
    config = NasExperimentConfig("sequential", "simplified")
    with pytest.raises(TypeError, match="AlphaNetStrategy trains one shared network in this process"):
        run_experiment(space(), evaluator(tmp_path), AlphaNetStrategy(), config=config)


def test_resuming_elsewhere_is_refused(trained):
    with pytest.raises(SearchError, match="this experiment trains in elsewhere"):
        trained[1].load_state_dict({"output": "elsewhere"})


SCRIPT = """
import sys, warnings
warnings.simplefilter("ignore")
from alphanet_plugin.nni_bridge import AccelerateEvaluator, AlphaNetStrategy, ElasticSpace, run_experiment
sections = {sections!r}
evaluator = AccelerateEvaluator("run", **sections)
strategy = AlphaNetStrategy(num_random=1, num_candidates=1)
experiment = run_experiment(
    ElasticSpace(num_classes=10, resolutions=(16,), seed=0), evaluator, strategy, experiment_id="killed",
    resume="resume" in sys.argv,
)
if experiment is not None:
    experiment.stop()
"""


def script(folder, *arguments, ranks=1):
    """Start the experiment as a program of its own; its folders are below `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "nas.py").write_text(SCRIPT.format(sections=SECTIONS), encoding="utf-8")
    environment = {**os.environ, "HOME": str(folder), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    launch = ["-m", "torch.distributed.run", "--nproc_per_node", str(ranks)] if ranks > 1 else []
    return subprocess.Popen(
        [sys.executable, *launch, "nas.py", *arguments], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def wait_for(path: Path, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, f"no {path}"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_and_resumed_it_ends_with_the_same_weights(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = script(whole)
    output, _ = done.communicate(timeout=300)
    assert done.returncode == 0, output
    killed = script(cut)
    wait_for(cut / "run" / "checkpoints" / "step_00000002" / "run.json", killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert latest_checkpoint(cut / "run" / "checkpoints").name == "step_00000002"
    resumed = script(cut, "resume")
    output, _ = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, output
    weights = [load_file(f / "run/checkpoints/step_00000004/model.safetensors") for f in (whole, cut)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    losses = [
        [json.loads(line)["loss"] for line in (f / "run/log.jsonl").read_text().splitlines()] for f in (whole, cut)
    ]
    assert losses[0] == losses[1]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_ranks_train_together_and_the_first_writes(tmp_path):
    both = script(tmp_path / "both", ranks=2)
    output, _ = both.communicate(timeout=400)
    assert both.returncode == 0, output
    assert output.count("Experiment initialized successfully") == 1
    assert len(list((tmp_path / "both" / "nni-experiments").glob("killed"))) == 1
    records = [json.loads(line) for line in (tmp_path / "both/run/log.jsonl").read_text().splitlines()]
    assert [record["images"] for record in records] == [512, 512]


class Interrupted(Random):
    def _run(self):
        raise KeyboardInterrupt


class Ended(Random):
    number = signal.SIGTERM

    def _run(self):
        os.kill(os.getpid(), self.number)
        time.sleep(60)


class HungUp(Ended):
    number = signal.SIGHUP


@pytest.mark.parametrize("strategy", [Interrupted, Ended, HungUp])
def test_ctrl_c_sigterm_and_a_closed_terminal_end_the_program(tmp_path, strategy):
    """NNI stops the experiment and returns, and the next one would go on with what is half trained."""
    with pytest.raises(KeyboardInterrupt, match="was stopped"):
        run_experiment(space(), evaluator(tmp_path), strategy())


def test_a_run_over_another_space_is_one_of_train(tmp_path):
    supernet = as_supernet(ElasticSpace("us_mobilenet_v2", num_classes=10, resolutions=(24, 32)))
    config = KLStrategy().run_config(evaluator(tmp_path), supernet)
    assert build_space(config).to_config() == supernet.space.to_config()
    narrow = get_space("us_mobilenet_v2", widths=(0.5, 1.0))
    assert get_space(**space_section(narrow)).to_config() == narrow.to_config()


def test_trains_a_once_for_all_subspace(tmp_path):
    subspace = {"name": "ofa_mbv3", "choices": {"depth": [2], "expand_ratio": [3], "kernel_size": [3, 5]}}
    elastic = ElasticSpace(subspace, num_classes=10, resolutions=(16,), seed=0)
    strategy = AlphaNetStrategy(num_random=1, num_candidates=1)
    sections = {"data": {**SECTIONS["data"], "search_count": 1300}, "evaluation": {"search_calibration_batches": 1}}
    experiment = run_experiment(elastic, evaluator(tmp_path / "run", **sections, training={
        **SECTIONS["training"], "batch_size": 64}), strategy)  # fmt: skip
    records = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert len(records) == 137 // 64
    assert all(record["kd_loss"] > 0 for record in records)
    assert {arch.depth for arch in (result.arch for result in strategy.training.results)} == {(2,) * 5}
    assert open_run(tmp_path / "run").space.to_config() == elastic.space.to_config()
    experiment.stop()
