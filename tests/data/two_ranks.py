"""Two processes under `accelerate launch` on CPU (gloo)."""

import json
import os
import subprocess
import sys


def launch(program, output):
    """Run a program with the folder `output` as its argument; what its ranks wrote there, and their stderr."""
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
        str(program), str(output),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((output / f"rank_{rank}.json").read_text()) for rank in range(2)], done.stderr
