"""The console script ``alphanet``: says how OpenMP's threads wait, which is read when torch is loaded, then runs it.

It stands beside the package because importing anything of `alphanet_plugin` loads torch; see `cli/process.py`.
"""

import os


def main() -> int:
    """Run ``alphanet``; returns its exit status."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from alphanet_plugin.cli.main import main as run

    return run()
