"""Times what one waits for before anything is computed: imports, the first step of a training, building, resuming.

    python benchmarks/startup.py

Each process is started several times and the quickest counts. Compile the packages first (`python -m compileall`), or
unset PYTHONDONTWRITEBYTECODE: Python otherwise compiles them at every start, which takes longer than all of this.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PYTHON = [sys.executable, "-c"]
LIBRARIES = "import torch, torchvision, timm, accelerate, sklearn.datasets, safetensors"
# The command line itself, left by the first record of a step.
FIRST_STEP = """
import sys
from alphanet_plugin.cli import main as cli
import alphanet_plugin.training.trainer as trainer
write = trainer.Trainer._write
trainer.Trainer._write = lambda self, record: (write(self, record), sys.stdout.flush(), __import__("os")._exit(0))
cli.main(["train", "--config", "configs/digits.yaml", "--set", "output={output}"])
"""
IN_PROCESS = """
import time, torch
from pathlib import Path
from accelerate import Accelerator
from alphanet_plugin import get_space
from alphanet_plugin.supernet import build_supernet
from alphanet_plugin.training import Checkpoints
space = get_space("attentive_nas")
start = time.perf_counter(); net = build_supernet(space); print("build", time.perf_counter() - start)
arch = space.presets["a5_base"]
net.activate(arch); net.extract(arch)
start = time.perf_counter(); net.extract(arch); print("extract", time.perf_counter() - start)
accelerator = Accelerator(cpu=True)
net, optimizer = accelerator.prepare(net, torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9))
net(torch.randn(2, 3, 224, 224)).sum().backward(); optimizer.step()
checkpoints = Checkpoints(accelerator, Path("{output}"))
path = checkpoints.save(1)
start = time.perf_counter(); checkpoints.load(path); print("resume", time.perf_counter() - start)
"""


def seconds(command: Sequence[str], repeats: int) -> float:
    """Of the quickest of some starts."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args(arguments).repeats
    timm = seconds([*PYTHON, "import timm"], repeats)
    both = seconds([*PYTHON, "import timm, alphanet_plugin"], repeats)
    print(f"import timm {timm:.2f} s; import alphanet_plugin adds {both - timm:.2f} s")
    print(f"alphanet --help {seconds([sys.executable, '-m', 'alphanet_plugin', '--help'], repeats):.2f} s")
    libraries = seconds([*PYTHON, LIBRARIES], repeats)
    first = with_folder(lambda folder: seconds([*PYTHON, FIRST_STEP.format(output=folder / "run")], 1), repeats)
    print(f"alphanet train's first step {first:.2f} s; its libraries {libraries:.2f} s: {first / libraries:.2f} x")
    with tempfile.TemporaryDirectory() as folder:
        said = subprocess.run([*PYTHON, IN_PROCESS.format(output=folder)], check=True, capture_output=True, text=True)
    print(", ".join(f"{name} {float(value):.3f} s" for name, value in map(str.split, said.stdout.splitlines())))


def with_folder(call: Callable[[Path], float], repeats: int) -> float:
    """The least that `call` gives, each time with a new folder."""
    found = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            found.append(call(Path(folder)))
    return min(found)


if __name__ == "__main__":
    main()
