import random

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from alphanet_plugin.data import SeededDataset


class Dice(Dataset):
    """Items made of all three global generators."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index):
        numbers = [random.random(), np.random.random(), float(torch.rand(()))]  # noqa: NPY002
        return torch.tensor([index, *numbers], dtype=torch.float64), index


class Broken(Dice):
    def __getitem__(self, index):
        super().__getitem__(index)
        raise OSError("damaged")


def generator_states() -> tuple:
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002


def test_an_item_depends_on_seed_and_draw_alone():
    seeded = SeededDataset(Dice(), seed=3)
    expected = [seeded[draw][0] for draw in range(15)]
    random.seed(1)
    torch.rand(7)
    assert all(torch.equal(seeded[draw][0], expected[draw]) for draw in reversed(range(15)))


def test_draws_and_seeds_and_generators_differ():
    rows = torch.stack([SeededDataset(Dice(), seed=seed)[draw][0] for seed in range(4) for draw in range(25)])
    for column in (1, 2, 3):
        assert len(rows[:, column].unique()) == 100
    assert not torch.isclose(rows[:, 1], rows[:, 2]).any()


def test_a_draw_is_an_index_in_an_epoch():
    seeded = SeededDataset(Dice(), seed=0)
    assert len(seeded) == 5
    assert [seeded[draw][1] for draw in (0, 4, 5, 13)] == [0, 4, 0, 3]


@pytest.mark.parametrize("dataset", [Dice(), Broken()])
def test_the_callers_generators_are_put_back(dataset):
    before = generator_states()
    try:
        SeededDataset(dataset, seed=0)[1]
    except OSError:
        assert isinstance(dataset, Broken)
    assert generator_states() == before


def test_negative_numbers_are_refused():
    with pytest.raises(ValueError, match="seed must not be negative"):
        SeededDataset(Dice(), seed=-1)
    with pytest.raises(IndexError, match="counted from 0"):
        SeededDataset(Dice(), seed=0)[-1]
