"""Repeated augmentation, fixed views, erasing and mixing: all by seed, and none of another epoch."""

import numpy as np
import pytest
import torch

from alphanet_plugin.data import ErasedImages, RunSampler, SeededDataset, SeededMixing, build_splits


def test_repeats_take_an_image_so_often_each_time_as_another_draw():
    batches = list(RunSampler(length=12, batch_size=6, steps=6, seed=0, repeats=3))
    for epoch in range(3):
        draws = np.array(batches[2 * epoch] + batches[2 * epoch + 1])
        images, counts = np.unique(draws % 12, return_counts=True)
        assert len(images) == 4
        assert set(counts) == {3}
        assert set(draws // 12) == {3 * epoch, 3 * epoch + 1, 3 * epoch + 2}
    assert len({draw for batch in batches for draw in batch}) == 36


def test_repeats_of_an_image_go_to_different_ranks():
    ranks = [
        [image for batch in RunSampler(12, 4, 1, seed=0, rank=rank, world_size=3, repeats=3) for image in batch]
        for rank in range(3)
    ]
    images = [sorted(draw % 12 for draw in rank) for rank in ranks]
    assert images[0] == images[1] == images[2]
    assert len({draw for rank in ranks for draw in rank}) == 12


def test_views_are_taken_in_turn():
    batches = list(RunSampler(length=10, batch_size=5, steps=10, seed=0, views=2))
    passes = [{draw // 10 for draw in batches[2 * epoch] + batches[2 * epoch + 1]} for epoch in range(5)]
    assert passes == [{0}, {1}, {0}, {1}, {0}]
    with pytest.raises(ValueError, match="must be at least 1"):
        RunSampler(10, 5, 1, seed=0, views=0)


def test_erasing_is_by_the_draw_alone():
    splits = build_splits("digits", image_size=16, augment=False)
    erased = SeededDataset(ErasedImages(splits.train, 0.5), seed=1)
    changed = [not torch.equal(erased[draw][0], splits.train[draw][0]) for draw in range(100)]
    assert 25 < sum(changed) < 75
    torch.manual_seed(5)
    assert all(torch.equal(erased[draw][0], SeededDataset(erased.dataset, 1)[draw][0]) for draw in range(20))


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_mixing_is_by_the_step_alone_and_labels_tell_what_was_mixed(mixup, cutmix):
    mix = SeededMixing(mixup=mixup, cutmix=cutmix, num_classes=10, seed=3)
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 8, 8).contiguous()
    labels = torch.arange(4)
    kept, state = images.clone(), np.random.get_state()[1].copy()  # noqa: NPY002
    for step in range(5):
        mixed, soft = mix(step, images, labels)
        again, _ = mix(step, images, labels)
        assert torch.equal(mixed, again)
        torch.testing.assert_close(soft.sum(1), torch.ones(4))
        # an image's mean is the mean of its label, as image k is k everywhere
        torch.testing.assert_close(mixed.mean((1, 2, 3)), soft[:, :4] @ torch.arange(4.0), rtol=1e-4, atol=1e-4)
    assert torch.equal(images, kept)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    ranks = [SeededMixing(mixup=mixup, cutmix=cutmix, num_classes=10, seed=3, rank=rank) for rank in range(2)]
    assert any(
        not torch.equal(ranks[0](step, images, labels)[1], ranks[1](step, images, labels)[1]) for step in range(3)
    )
