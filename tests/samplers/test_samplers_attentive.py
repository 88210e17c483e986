"""BestUp-k and WorstUp-k, and the prior that they draw their costs from."""

import numpy as np
import pytest

from alphanet_plugin import get_space
from alphanet_plugin.samplers import AttentiveSampler, FlopsPrior

SPACE = get_space("attentive_nas")


def losses_of(archs):
    """Stands for the losses of a batch: the sum of an arch's genes."""
    return [float(sum(SPACE.values(arch))) for arch in archs]


@pytest.mark.parametrize(("mode", "pick"), [("best_up", min), ("worst_up", max)])
def test_takes_the_extreme_of_each_group(mode, pick):
    sampler = AttentiveSampler(SPACE, num_random=3, num_candidates=5, mode=mode, seed=4)
    groups = sampler.candidates(7)
    assert [len(group) for group in groups] == [5, 5, 5]
    archs = sampler.choose(7, losses_of)
    expected = [pick(group, key=lambda arch: sum(SPACE.values(arch))) for group in groups]
    assert archs == [SPACE.largest(), *expected, SPACE.smallest()]
    by_predictor = AttentiveSampler(
        SPACE, num_random=3, num_candidates=5, mode=mode, seed=4, predictor=lambda arch: -losses_of([arch])[0]
    )
    assert by_predictor.archs(7) == by_predictor.choose(7, losses=None) == archs


def test_candidates_of_a_group_are_of_one_bin_and_bins_follow_the_prior():
    sampler = AttentiveSampler(SPACE, num_random=4, num_candidates=2)
    counts = np.zeros(len(sampler.prior.probabilities))
    for step in range(300):
        for group in sampler.candidates(step):
            bins = np.floor(SPACE.mflops_batch(group) / 25)
            assert bins[0] == bins[1]
            counts[int(bins[0] - sampler.prior.edges[0] // 25)] += 1
    expected = sampler.prior.probabilities * counts.sum()
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected + 1)).all()


def test_a_pure_function_of_seed_step_and_losses():
    sampler = AttentiveSampler(SPACE, seed=1)
    later = sampler.choose(9, losses_of)
    assert sampler.choose(3, losses_of) == AttentiveSampler(SPACE, seed=1).choose(3, losses_of)
    figures = sampler.figures
    assert sampler.choose(9, losses_of) == later
    assert sampler.choose(3, losses_of) != sampler.choose(4, losses_of)
    sampler.choose(3, losses_of)
    assert sampler.figures == figures
    assert 0.5 < figures["accepted_share"] <= 1


def test_losses_are_asked_for_once():
    asked = []
    sampler = AttentiveSampler(SPACE, num_random=2, num_candidates=3)
    sampler.choose(0, lambda archs: asked.append(len(archs)) or losses_of(archs))
    assert asked == [6]
    assert AttentiveSampler(SPACE, num_random=0).choose(0, losses=None) == [SPACE.largest(), SPACE.smallest()]


def test_a_loss_that_is_no_number_is_the_worst():
    def broken(archs):
        return [float("nan"), *losses_of(archs)[1:]]

    for mode, taken in (("best_up", False), ("worst_up", True)):
        sampler = AttentiveSampler(SPACE, num_random=1, mode=mode)
        assert (sampler.choose(0, broken)[1] == sampler.candidates(0)[0][0]) is taken


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "best"}, "best_up or worst_up, not 'best'"),
        ({"num_candidates": 0}, "num_candidates must be at least 1"),
        ({"bin_mflops": 0}, "bin_mflops must be above 0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        AttentiveSampler(SPACE, **options).candidates(0)


def test_without_a_batch_or_a_predictor_nothing_can_be_ranked():
    with pytest.raises(ValueError, match=r"call choose\(step, losses\), or give a predictor"):
        AttentiveSampler(SPACE).archs(0)


def test_the_prior_is_the_histogram_of_uniform_archs():
    prior = FlopsPrior(SPACE, num_archs=50_000, seed=3)
    mflops = SPACE.mflops_batch(SPACE.sample_batch(50_000, np.random.default_rng(3)))
    assert (np.diff(prior.edges) == 25).all()
    assert (prior.edges % 25 == 0).all()
    assert np.histogram(mflops, prior.edges)[0].tolist() == np.round(prior.probabilities * 50_000).tolist()
    assert prior.probabilities.sum() == pytest.approx(1)


def test_the_prior_of_small_images():
    space = get_space("attentive_nas", resolutions=(16, 24))
    sampler = AttentiveSampler(space, bin_mflops=1.0, num_classes=10)
    for group in sampler.candidates(0):
        assert len(set(np.floor(space.mflops_batch(group, 10)))) == 1
