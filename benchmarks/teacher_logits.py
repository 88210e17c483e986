"""Times distillation with the teacher's logits kept beside asking the teacher in every step, on digits, offline.

    python benchmarks/teacher_logits.py                                             # configs/distill/digits.yaml
    python benchmarks/teacher_logits.py --teacher resnet50 --epochs 10 --views 2

Both train the same student for the same epochs, one after the other. The teacher has random weights: what it says does
not change how long it takes. Times are the processor's, on one thread, so that other work on the machine does not tell.
The ratio of steps is that of their medians, loading included; the ratio of runs holds the filling too.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import timm
import torch

import alphanet_plugin  # noqa: F401
from alphanet_plugin.config import NetworkRunConfig, from_dict
from alphanet_plugin.runs import NetworkRun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", default="resnet10t")
    parser.add_argument("--student", default="mobilenetv3_small_050")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    times: dict[str, list[tuple[list[float], float]]] = {"kept": [], "asked": []}
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "teacher.pth"
        torch.save(timm.create_model(arguments.teacher, num_classes=10).state_dict(), weights)
        for number in range(arguments.repeats):
            for name, views in (("asked", None), ("kept", arguments.views)):
                times[name].append(train(arguments, Path(folder) / f"{name}{number}", weights, views))
    steps = {name: statistics.median(second for run, _ in runs for second in run) for name, runs in times.items()}
    runs = {name: statistics.median(seconds for _, seconds in runs) for name, runs in times.items()}
    print(f"{arguments.teacher} -> {arguments.student}, {arguments.epochs} epochs, {arguments.views} views kept")
    print(f"step: {1e3 * steps['asked']:.1f} ms asked, {1e3 * steps['kept']:.1f} ms kept, "
          f"ratio {steps['asked'] / steps['kept']:.2f}")  # fmt: skip
    print(f"run:  {runs['asked']:.1f} s asked, {runs['kept']:.1f} s kept, ratio {runs['asked'] / runs['kept']:.2f}")


def train(arguments: Any, output: Path, weights: Path, views: int | None) -> tuple[list[float], float]:
    """Processor seconds of each step but the first, and of the whole run, the filling included."""
    config = from_dict(NetworkRunConfig, {
        "output": str(output),
        "model": {"name": arguments.student},
        "teacher": {"name": arguments.teacher, "pretrained": str(weights), "views": views,
                    "image_size": arguments.image_size},
        "data": {"name": "digits", "image_size": arguments.image_size},
        "training": {"epochs": arguments.epochs, "batch_size": arguments.batch, "warmup_epochs": 0},
    })  # fmt: skip
    ends: list[float] = []
    trainer = NetworkRun(config).trainer
    began = time.process_time()
    trainer.run(lambda _record: ends.append(time.process_time()))
    return [second - first for first, second in itertools.pairwise(ends)], time.process_time() - began


if __name__ == "__main__":
    main()
