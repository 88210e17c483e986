"""Which images each step of a run takes."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler


class RunSampler(Sampler[list[int]]):
    """Batches of draws (see `SeededDataset`) for a whole run, one list of `batch_size` for every step.

    A step's global batch is `batch_size * world_size` images, of which this rank gets its slice. Every epoch is a
    permutation seeded by (seed, epoch); what is left over at its end is dropped, so no batch mixes epochs. What a step
    takes depends on the step alone: a run resumed at `start_step` goes on as if it had never stopped.

    Args:
        length: Images of the data set.
        batch_size: Of each rank.
        steps: Of the whole run.
        seed: Of the permutations.
        start_step: The first step to yield.
        rank: This rank's number.
        world_size: How many ranks.
        repeats: How often an epoch takes an image, each time as another draw: repeated augmentation (Hoffer et al.
            2020), as DeiT has it. An epoch has as many steps as ever, so it goes through 1 / `repeats` of the images.
        views: If given, an image has so many draws in all, taken in turn: the draws of a run then lie below
            `views * length`.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        steps: int,
        seed: int,
        start_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
        *,
        repeats: int = 1,
        views: int | None = None,
    ) -> None:
        if batch_size < 1 or world_size < 1:
            raise ValueError(f"batch_size ({batch_size}) and world_size ({world_size}) must be at least 1")
        if repeats < 1 or (views is not None and views < 1):
            raise ValueError(f"repeats ({repeats}) and views ({views}) must be at least 1")
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must lie in 0..{world_size - 1}, got {rank}")
        if not 0 <= start_step <= steps:
            raise ValueError(f"start_step must lie in 0..{steps} (the run's steps), got {start_step}")
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}")
        if length < batch_size * world_size:
            raise ValueError(
                f"{length} training images do not fill one batch of {batch_size} on each of {world_size} processes; "
                + (
                    f"lower batch_size times accumulate to at most {length // world_size}"
                    if length >= 2 * world_size
                    else "add images, or start fewer processes"
                )
            )
        self.length = length
        self.batch_size = batch_size
        self.steps = steps
        self.seed = seed
        self.start_step = start_step
        self.rank = rank
        self.world_size = world_size
        self.repeats = repeats
        self.views = views

    @property
    def steps_per_epoch(self) -> int:
        return self.length // (self.batch_size * self.world_size)

    def __len__(self) -> int:
        """Steps that are left from `start_step` on."""
        return self.steps - self.start_step

    def __iter__(self) -> Iterator[list[int]]:
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for step in range(self.start_step, self.steps):
            if step // self.steps_per_epoch != epoch:
                epoch = step // self.steps_per_epoch
                order = self._order(epoch)
            batch = step % self.steps_per_epoch
            size = self.batch_size * self.world_size
            draws = order[batch * size : (batch + 1) * size]
            if self.repeats > 1:  # an image's draws go to different ranks, as timm's RepeatAugSampler has it
                draws = draws[self.rank :: self.world_size]
            else:
                draws = draws[self.rank * self.batch_size : (self.rank + 1) * self.batch_size]
            yield draws.tolist()

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        """The draws of an epoch."""
        images = np.random.default_rng((self.seed, epoch)).permutation(self.length)
        images = np.repeat(images, self.repeats)[: self.length]
        pass_ = epoch * self.repeats + np.arange(self.length) % self.repeats
        if self.views is not None:
            pass_ %= self.views
        return pass_ * self.length + images
