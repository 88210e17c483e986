import pytest
import torch
from torch.utils.data import Subset

from alphanet_plugin.data import build_splits, cached_batches, eval_loader, train_loader

# Python 3.12 warns about every fork of a process that has threads; torch's loaders fork.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(scope="module")
def splits():
    return build_splits("digits", image_size=16)


def equal(first, second) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b) for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True)
    )


def batches(splits, **options) -> list:
    few = Subset(splits.train, range(110))
    return list(train_loader(few, **{"batch_size": 50, "steps": 5, "seed": 3, **options}))


def test_workers_change_nothing(splits):
    assert equal(batches(splits, num_workers=0), batches(splits, num_workers=2))


def test_a_resumed_loader_gives_the_same_images(splits):
    whole = batches(splits)
    assert equal(batches(splits, start_step=3), whole[3:])
    assert not equal(whole[:2], whole[2:4]), "another epoch is augmented anew"


def test_two_ranks_are_one_global_batch(splits):
    whole = batches(splits, batch_size=40)
    ranks = [batches(splits, batch_size=20, rank=rank, world_size=2) for rank in range(2)]
    joined = [tuple(torch.cat(parts) for parts in zip(*pair, strict=True)) for pair in zip(*ranks, strict=True)]
    assert equal(joined, whole)


def test_batches_are_channels_last(splits):
    for images, labels in (batches(splits)[0], next(iter(eval_loader(splits.test, batch_size=7)))):
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert len(images) == len(labels)


def test_a_loader_leaves_the_global_generator_alone(splits):
    before = torch.get_rng_state()
    batches(splits)
    cached_batches(splits.train, 100, 200)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_evaluation_loader_passes_every_image_in_order_again_and_again(splits, num_workers):
    loader = eval_loader(splits.test, batch_size=150, num_workers=num_workers)
    for _ in range(2):
        got = list(loader)
        assert [len(labels) for _, labels in got] == [150, 150, 60]
        assert torch.cat([labels for _, labels in got]).tolist() == [splits.test[i][1] for i in range(360)]
        assert torch.equal(got[1][0][0], splits.test[150][0])


def test_cached_batches_hold_every_image_once(splits):
    got = cached_batches(splits.test, 100)
    assert [len(labels) for _, labels in got] == [100, 100, 100, 60]
    assert len(torch.cat([images for images, _ in got]).flatten(1).unique(dim=0)) == 360
    in_order = cached_batches(splits.test, 100, shuffle=False)
    assert equal(in_order, list(eval_loader(splits.test, batch_size=100)))
    assert all(images.is_contiguous(memory_format=torch.channels_last) for images, _ in got)


def test_cached_batches_are_the_seeds(splits):
    def cached(**options) -> list:
        return cached_batches(splits.calibration, 32, 100, **options)

    assert equal(cached(), cached(num_workers=2))
    assert equal(cached(seed=1), cached(seed=1))
    assert not equal(cached(seed=1), cached(seed=2))


def test_a_limited_set_holds_all_classes(splits):
    (_, labels), *others = cached_batches(splits.search, 100, 100)
    assert not others
    assert len(labels.unique()) == 10


def test_an_incomplete_batch_can_be_left_out(splits):
    got = cached_batches(splits.test, 100, 250, drop_last=True)
    assert [len(labels) for _, labels in got] == [100, 100]


@pytest.mark.parametrize(("options", "message"), [
    ({"batch_size": 0}, "batch_size must be at least 1"),
    ({"batch_size": 8, "limit": 0}, "limit must be at least 1"),
    ({"batch_size": 64, "limit": 60, "drop_last": True}, "60 images .* make no batch of 64"),
])  # fmt: skip
def test_wrong_sizes_are_refused(splits, options, message):
    with pytest.raises(ValueError, match=message):
        cached_batches(splits.test, **options)
    with pytest.raises(ValueError, match="at least 1"):
        eval_loader(splits.test, batch_size=0)


def test_there_are_no_more_workers_than_cores(splits, monkeypatch):
    monkeypatch.setattr("alphanet_plugin.data.loaders._cores", lambda: 2)
    assert [eval_loader(splits.test, batch_size=4, num_workers=asked).num_workers for asked in (0, 1, 2, 9)] == [
        0,
        1,
        2,
        2,
    ]
