"""Run by `accelerate launch`: phases on each rank, without BatchNorm's statistics, written to OUTPUT/rank_N.json.

ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 phased_ranks.py OUTPUT
"""

import json
import sys
from pathlib import Path

import torch
from phased_run import config, run_of
from torch import distributed
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn import functional as F

PHASES = [
    {"name": "full", "share": 1 / 3, "sampler": {"name": "largest"}},
    {"name": "fixed", "share": 1 / 3, "sampler": {"name": "uniform", "num_archs": 2}, "teacher": "full",
     "first": {"weight": 1, "sum_up": True}, "others": {"weight": 1, "sum_up": True}, "sort_channels": 0,
     "one_resolution": True},
    {"name": "shrink", "sampler": {"name": "sandwich", "num_random": 1}, "scale": {"first": 0.01, "length": 0.5},
     "others": {"weight": 0.5}},
]  # fmt: skip


def scale_and_shift(x, *others):
    """BatchNorm whose statistics are 0 and 1, so that a batch may be shared out."""
    _mean, _var, weight, bias, *_ = others
    return x * weight[:, None, None] + bias[:, None, None]


def train(output, batch_size):
    """Train 12 steps; returns the run, and for each step its archs and how often ranks shared each bucket."""
    F.batch_norm = scale_and_shift
    run = run_of(config(output, PHASES, batch_size=batch_size, drop_rate=0.0, drop_path_rate=0.0, lr=0.5))
    update, steps, buckets = run.trainer.update, [], []

    def count(state, bucket):
        buckets.append(bucket.index())
        return allreduce_hook(state, bucket)

    def accumulate(images, labels, archs, step):
        buckets.clear()
        losses = accumulate_as_before(images, labels, archs, step)
        shared = max(map(buckets.count, buckets)) if buckets else 0
        steps.append({"archs": list(map(str, archs)), "shared": shared, "losses": losses.tolist()})
        return losses

    if distributed.is_initialized():
        update.model.register_comm_hook(None, count)
    accumulate_as_before, update.accumulate = update.accumulate, accumulate
    run.train()
    return run, steps


def main():
    torch.set_num_threads(1)
    output = Path(sys.argv[1])
    run, steps = train(output, batch_size=2)
    weights = {name: tensor.flatten().tolist() for name, tensor in run.trainer.update.supernet.named_parameters()}
    rank = run.accelerator.process_index
    (output / f"rank_{rank}.json").write_text(json.dumps({"steps": steps, "weights": weights}))
    run.accelerator.end_training()


if __name__ == "__main__":
    main()
