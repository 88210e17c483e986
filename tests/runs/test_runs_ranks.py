"""Two ranks of a run of phases compute what one does on the joined batch."""

from pathlib import Path

import phased_ranks
import pytest
import torch
from torch.nn import functional as F
from two_ranks import launch

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    return launch(Path(__file__).with_name("phased_ranks.py"), tmp_path_factory.mktemp("ranks"))[0]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "batch_norm", F.batch_norm)  # put back afterwards
        start = phased_ranks.run_of(phased_ranks.config(tmp_path_factory.mktemp("start"), phased_ranks.PHASES))
        first = {name: one.detach().clone() for name, one in start.trainer.update.supernet.named_parameters()}
        run, steps = phased_ranks.train(tmp_path_factory.mktemp("alone"), batch_size=4)
    return first, dict(run.trainer.update.supernet.named_parameters()), steps


def test_all_ranks_train_the_same_archs_and_share_gradients_once_a_step(ranks, alone):
    for rank in ranks:
        assert [step["shared"] for step in rank["steps"]] == [1] * 12
        assert [step["archs"] for step in rank["steps"]] == [step["archs"] for step in alone[2]]
    assert [len(step["archs"]) for step in ranks[0]["steps"]] == [1] * 4 + [2] * 4 + [3] * 4


def test_losses_are_those_of_the_joined_batch(ranks, alone):
    assert ranks[0]["steps"] == ranks[1]["steps"]
    for step, expected in zip(ranks[0]["steps"], alone[2], strict=True):
        assert step["losses"] == pytest.approx(expected["losses"], rel=1e-4, abs=1e-6)


def test_weights_are_those_of_the_joined_batch(ranks, alone):
    assert ranks[0]["weights"] == ranks[1]["weights"]
    moved, apart = 0.0, 0.0
    for name, trained in alone[1].items():
        weight = trained.detach()
        found = torch.tensor(ranks[0]["weights"][name]).view_as(weight)
        moved += float((weight - alone[0][name]).square().sum())
        apart += float((weight - found).square().sum())
    assert apart**0.5 < 1e-4 * moved**0.5
