"""A kind of run that trains nothing, to test what goes on around runs."""

import os
import signal
import time

from alphanet_plugin.config import RunConfig
from alphanet_plugin.studies.cell_kind import TRAINED, CellKind, CellOutcome
from alphanet_plugin.studies.supernet_cell import SupernetCell

STEPS = 4


class StandIn(CellKind):
    """Counts its runs; `fail` names the (arm, seed) that raise, and what."""

    schema = RunConfig

    def __init__(self):
        self.real = SupernetCell()
        self.trained, self.measured, self.fail = [], [], {}

    def identity(self, config):
        return self.real.identity(config)

    def complete(self, identity):
        return self.real.complete(identity)

    def check(self, cell, study):
        pass

    def train(self, config, curve_epochs, file, advance):  # noqa: ARG002
        self.trained.append((config.kd.name, config.seed))
        for step in range(STEPS):
            advance(step + 1, STEPS)
        if error := self.fail.get((config.kd.name, config.seed)):
            raise error
        file.write(**{TRAINED: {"seconds": 1.0, "top1": 90 + config.seed + len(config.kd.name)}})

    def finish(self, cell, study, file, advance):  # noqa: ARG002
        self.measured.append((cell.arm, cell.seed))
        file.write(columns={name: {"top1": file.parts[TRAINED]["top1"] + n} for n, name in enumerate(cell.measure)})

    def outcome(self, cell, study, file):  # noqa: ARG002
        columns = file.parts.get("columns", {})
        if not set(cell.measure) <= columns.keys():
            return None
        return CellOutcome(columns={name: columns[name] for name in cell.measure}, seconds=1.0)


def task(number, advance):
    """For processes: say who did it; 3 raises, 5 is killed, 7 sleeps."""
    advance(number, 10)
    if number == 3:
        raise ValueError("number 3\nis wrong")
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 7:
        time.sleep(600)
    advance(10, 10)
