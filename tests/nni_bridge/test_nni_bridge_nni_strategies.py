"""Every strategy of nni.nas.strategy runs to its end on each face that serves it, with a short fit on random images."""

import nni
import nni.nas.strategy
import pytest
import torch
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.evaluator.pytorch import Classification, DataLoader
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig
from nni.nas.strategy import (
    DARTS,
    ENAS,
    TPE,
    GridSearch,
    GumbelDARTS,
    PolicyBasedRL,
    Proxyless,
    Random,
    RandomOneShot,
    RegularizedEvolution,
)
from torch.utils.data import TensorDataset

from alphanet_plugin.models import MobileNetwork
from alphanet_plugin.nni_bridge import ElasticSpace
from alphanet_plugin.nni_bridge.nas.experiment import allow_evolution_to_resume

ONE_SHOT = {
    "fast": [RandomOneShot, lambda: ENAS(reward_metric_name="val_acc", batches_per_update=1)],
    "native": [
        RandomOneShot,
        lambda: ENAS(reward_metric_name="val_acc", batches_per_update=1),
        DARTS,
        GumbelDARTS,
        Proxyless,
    ],
}
NAMES = ["RandomOneShot", "ENAS", "DARTS", "GumbelDARTS", "Proxyless"]
MULTI_TRIAL = {
    "Random": Random,
    "GridSearch": GridSearch,
    "RegularizedEvolution": lambda: RegularizedEvolution(population_size=3, sample_size=2),
    "TPE": TPE,
    "PolicyBasedRL": lambda: PolicyBasedRL(max_collect=1, trial_per_collect=2),
}

pytestmark = [
    # NNI, Lightning and tianshou on newer torch, numpy and gym
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


def test_no_strategy_of_nni_is_left_out():
    named = {name for name in dir(nni.nas.strategy) if name[0].isupper()} - {"Strategy", "TPEStrategy"}
    assert named == {*NAMES, *MULTI_TRIAL}


def images(count=8):
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(count, 3, 24, 24, generator=generator), torch.randint(10, (count,), generator=generator)
    return DataLoader(TensorDataset(*data), batch_size=4)


def classification():
    return Classification(
        train_dataloaders=images(), val_dataloaders=images(), max_epochs=1, num_classes=10, logger=False,
        enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("face", "strategy"),
    [
        pytest.param(face, make, id=f"{face}-{name}")
        for face, makers in ONE_SHOT.items()
        for name, make in zip(NAMES, makers, strict=False)
    ],
)
def test_one_shot(face, strategy):
    space = ElasticSpace(num_classes=10, resolutions=(16, 24), face=face, seed=0)
    if face == "fast":
        before = {key: value.clone() for key, value in space.network.supernet.state_dict().items()}
    experiment = NasExperiment(space, classification(), strategy())
    experiment.run()
    (sample,) = experiment.export_top_models(1, formatter="dict")
    assert space.contains(sample)
    (model,) = experiment.export_top_models(1, formatter="instance")
    assert type(model) is MobileNetwork
    assert model(torch.randn(2, 3, 24, 24)).shape == (2, 10)
    experiment.stop()
    if face == "fast":  # the fit trained the shared weights
        after = space.network.supernet.state_dict()
        assert any(not torch.equal(before[key], after[key]) for key in before)


def fit(model):
    """A short fit on random images."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for batch, labels in images():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(batch), labels).backward()
        optimizer.step()
    nni.report_final_result(float(model.arch.resolution + sum(model.arch.depth)))


@pytest.mark.parametrize("name", MULTI_TRIAL)
@pytest.mark.parametrize(
    ("face", "form"),
    [
        ("fast", "raw"),
        ("native", "simplified"),
        pytest.param("fast", "simplified", marks=pytest.mark.slow),
        pytest.param("native", "raw", marks=pytest.mark.slow),
    ],
)
def test_multi_trial(face, name, form):
    # One resolution and so a smaller space; on the way through "simplified" a trial rebuilds the model from its sample.
    space = ElasticSpace(num_classes=10, resolutions=(16,), face=face, seed=0)
    config = NasExperimentConfig("sequential", form)
    config.max_trial_number = 3
    experiment = NasExperiment(space, FunctionalEvaluator(fit), MULTI_TRIAL[name](), config=config)
    experiment.run()
    best, *others = experiment.export_top_models(3)
    assert all(best.metric >= other.metric for other in others)
    assert best.metric == 16 + sum(best.executable_model().arch.depth)
    experiment.stop()


def test_evolution_resumes():
    """NNI's own cannot read its population back on torch 2.6 and later, and then overwrites it with an empty one."""
    allow_evolution_to_resume()
    space = ElasticSpace(num_classes=10, resolutions=(16,), seed=0)
    config = NasExperimentConfig("sequential", "raw")
    config.max_trial_number = 3

    def begin(number):
        config.max_trial_number = number
        strategy = RegularizedEvolution(population_size=3, sample_size=2)
        return NasExperiment(space, FunctionalEvaluator(fit), strategy, config=config, id="evolution")

    first = begin(3)
    first.run()
    population = [individual.x for individual in first.strategy._population]
    first.stop()
    assert len(population) == 3
    second = begin(4)
    second.resume()
    assert [individual.x for individual in second.strategy._population][:2] == population[1:]
    second.stop()
