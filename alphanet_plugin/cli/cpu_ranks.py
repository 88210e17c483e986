"""``accelerate launch --num_processes N --cpu``, with all N processes."""

from __future__ import annotations

import os
import re
import sys


def start_cpu_ranks() -> None:
    """Start the ranks that were asked for and not started; returns where there is nothing to do.

    Accelerate's launcher (1.15) prepares the address of N processes for ``--cpu`` but starts only one, unless through
    mpirun. This process then becomes torchrun's launcher of all N, with the command line that it has.
    """
    asked = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true") and "MASTER_PORT" in os.environ
    if not asked or "RANK" in os.environ or "WORLD_SIZE" in os.environ:
        return
    count = _asked_processes()
    if count < 2:
        return
    launcher = [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(count),
        "--master_addr", os.environ["MASTER_ADDR"], "--master_port", os.environ["MASTER_PORT"],
    ]  # fmt: skip
    sys.stdout.flush()
    os.execv(sys.executable, [*launcher, "-m", "alphanet_plugin", *sys.argv[1:]])


def _asked_processes() -> int:
    """The number of processes on the launcher's command line; 1 where this process was not started by it."""
    import psutil  # a dependency of Accelerate

    try:
        parent = psutil.Process().parent()
        command = " ".join(parent.cmdline()) if parent else ""
    except psutil.Error:
        return 1
    found = re.search(r"\blaunch\b.* --num[_-]processes[ =](\d+)", command)
    return int(found[1]) if found else 1
