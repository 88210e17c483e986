import pytest

from alphanet_plugin.data import RunSampler


def test_an_epoch_takes_each_image_at_most_once_and_drops_the_rest():
    batches = list(RunSampler(length=10, batch_size=3, steps=9, seed=0))
    assert [len(batch) for batch in batches] == [3] * 9
    for epoch in range(3):
        draws = [draw for batch in batches[3 * epoch : 3 * epoch + 3] for draw in batch]
        assert {draw // 10 for draw in draws} == {epoch}
        assert len({draw % 10 for draw in draws}) == 9


def test_epochs_are_shuffled_anew_and_by_the_seed():
    def epochs(seed: int) -> list[list[int]]:
        return [[d % 50 for d in batch] for batch in RunSampler(length=50, batch_size=50, steps=3, seed=seed)]

    assert epochs(0) == epochs(0)
    distinct = {tuple(order) for order in (*epochs(0), *epochs(1), range(50))}
    assert len(distinct) == 7
    dropped = {tuple(sorted(d % 10 for d in b)) for b in RunSampler(length=10, batch_size=9, steps=40, seed=0)}
    assert len(dropped) > 5


@pytest.mark.parametrize("start", [0, 1, 3, 4, 7, 11])
def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(start):
    whole = list(RunSampler(length=10, batch_size=3, steps=11, seed=7))
    rest = RunSampler(length=10, batch_size=3, steps=11, seed=7, start_step=start)
    assert list(rest) == whole[start:]
    assert list(rest) == whole[start:], "a second pass is the same"
    assert len(rest) == 11 - start


def test_ranks_share_the_global_batch():
    whole = list(RunSampler(length=26, batch_size=8, steps=7, seed=1))
    ranks = [RunSampler(26, 4, 7, seed=1, rank=rank, world_size=2) for rank in range(2)]
    assert [first + second for first, second in zip(*ranks, strict=True)] == whole
    assert [sampler.steps_per_epoch for sampler in ranks] == [3, 3]


@pytest.mark.parametrize(("options", "message"), [
    ({"length": 7}, "7 training images do not fill .* at most 3"),
    ({"batch_size": 0}, "at least 1"),
    ({"rank": 2}, r"rank must lie in 0\.\.1"),
    ({"start_step": 6}, r"start_step must lie in 0\.\.5"),
    ({"seed": -1}, "seed must not be negative"),
])  # fmt: skip
def test_a_wrong_number_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RunSampler(**{"length": 20, "batch_size": 4, "steps": 5, "seed": 0, "world_size": 2, **options})
