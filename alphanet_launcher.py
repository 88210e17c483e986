"""The console script ``alphanet``: says how OpenMP's threads wait, which is read when torch is loaded, then runs it.

It stands beside the package because importing anything of `alphanet_plugin` from elsewhere loads torch; see
`cli/process.py`. `starting` tells the package to leave that to the verb that is called.
"""

import os

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
starting = False


def main() -> int:
    """Run ``alphanet``; returns its exit status."""
    global starting
    if "OMP_WAIT_POLICY" not in os.environ and os.environ.get("OMP_NUM_THREADS") != "1":
        os.environ.update(WAITING)
    starting = True
    from alphanet_plugin.cli.main import main as run

    return run()
