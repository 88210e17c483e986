"""What a step of a supernet computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..spaces import Arch, SearchSpace
from .supernet_phase import FIRST, SupernetPhase


@dataclass(frozen=True)
class StepCost:
    """The work of a step, for one image.

    Attributes:
        forwards: Forward passes, of teachers and of archs that are only ranked too.
        backwards: Backward passes.
        macs: Multiply-adds: those of a forward pass, and twice as many for a backward one. None: not known.
    """

    forwards: int
    backwards: int
    macs: int | None

    def figures(self, images: int) -> Mapping[str, float]:
        """For the log: passes of an image, and multiply-adds / 1e9 of all of a step's."""
        macs = {} if self.macs is None else {"gmacs": self.macs * images / 1e9}
        return {"forwards": self.forwards, "backwards": self.backwards, **macs}


def step_cost(
    space: SearchSpace, archs: Sequence[Arch], ranked: Sequence[Arch] = (), *, phase: SupernetPhase, num_classes: int
) -> StepCost:
    """The work of a step.

    Args:
        space: Of the archs.
        archs: Which are trained.
        ranked: Which are only looked at, to choose by their losses.
        phase: Its phase. An earlier phase that teaches counts as the space's largest arch at the resolution of the
            first one here; of another network that teaches the multiply-adds are not known, and so not the step's.
        num_classes: Outputs of the classifier.
    """
    teachers: list[Arch] = []
    if phase.foreign_teacher:
        return StepCost(len(archs) + len(ranked) + 1, len(archs), None)
    if phase.teacher != FIRST:
        resolution = space.network(archs[0]).resolution
        teachers = [Arch({**space.largest().to_dict(), "resolution": resolution})]
    looked_at = [*ranked, *teachers]
    try:
        trained, others = (sum(space.cost(arch, num_classes).macs for arch in some) for some in (archs, looked_at))
        macs = 3 * trained + others
    except NotImplementedError:  # a space of NNI's
        macs = None
    return StepCost(len(archs) + len(looked_at), len(archs), macs)
