"""The console script ``alphanet``: says how OpenMP's threads wait, which is read when torch is loaded, then runs it.

It stands beside the package because importing anything of `alphanet_plugin` loads torch; see `cli/process.py`.
"""

import os

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}


def main() -> int:
    """Run ``alphanet``; returns its exit status."""
    if "OMP_WAIT_POLICY" not in os.environ and os.environ.get("OMP_NUM_THREADS") != "1":
        os.environ.update(WAITING)
    from alphanet_plugin.cli.main import main as run

    return run()
