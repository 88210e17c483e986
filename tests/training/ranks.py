"""Run by `accelerate launch`: what two ranks do in a step, written to OUTPUT/rank_N.json.

ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 ranks.py OUTPUT
"""

import copy
import hashlib
import json
import sys
from pathlib import Path

import torch
from small_run import build, config
from torch import distributed
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from alphanet_plugin.training import SupernetUpdate


class Unprepared:
    """An accelerator that synchronises nothing: what a rank computes by itself."""

    def unwrap_model(self, model):
        return model

    def no_sync(self, model):  # noqa: ARG002
        raise AssertionError("not for one rank")

    def backward(self, loss):
        loss.backward()

    def reduce(self, tensor, reduction):  # noqa: ARG002
        return tensor


def own_gradients(update, images, labels, archs):
    """This rank's gradients, arch by arch, without any synchronisation."""
    alone = Unprepared()
    alone.no_sync = lambda model: torch.enable_grad()  # noqa: ARG005
    supernet = copy.deepcopy(update.supernet)
    single = SupernetUpdate(
        accelerator=alone,
        model=supernet,
        optimizer=None,
        phase=update.phase,
    )
    single.accumulate(images, labels, archs)
    return {name: parameter.grad for name, parameter in supernet.named_parameters()}


def digest(tensors):
    whole = hashlib.sha256()
    for tensor in tensors:
        whole.update(tensor.detach().contiguous().numpy().tobytes())
    return whole.hexdigest()


def main():
    torch.set_num_threads(1)
    output = Path(sys.argv[1])
    # Without dropout both ways of computing a gradient see the same network.
    trainer = build(config(output, batch_size=4, drop_rate=0.0, drop_path_rate=0.0))
    rank = trainer.accelerator.process_index
    buckets = []

    def count(state, bucket):
        buckets.append(bucket.index())
        return allreduce_hook(state, bucket)

    trainer.update.model.register_comm_hook(None, count)
    trainer.update.model.train()
    images, labels = next(iter(trainer.batches(0)))
    archs = trainer.update.phase.sampler.archs(0)
    losses = trainer.update.batch_losses(images, labels, archs)
    own_losses = []
    for arch in archs:
        trainer.update.supernet.activate(arch)
        with torch.no_grad():
            own_losses.append(trainer.update.phase.first.cross_entropy(trainer.update.supernet(images), labels).item())
    own = own_gradients(trainer.update, images, labels, archs)
    trainer.update.accumulate(images, labels, archs)

    worst, missing = 0.0, []
    for name, parameter in trainer.update.supernet.named_parameters():
        if own[name] is None:
            if parameter.grad is not None and parameter.grad.abs().max() > 0:
                missing.append(name)
            continue
        mean = own[name].clone()
        distributed.all_reduce(mean)
        mean /= 2
        scale = mean.abs().max().clamp(min=1e-12)
        worst = max(worst, float((parameter.grad - mean).abs().max() / scale))
    step_buckets = list(buckets)
    trainer.update.apply()
    result = {
        "archs": [str(arch) for arch in archs],
        "batch_losses": losses,
        "own_losses": own_losses,
        "images": digest([images]),
        "buckets": step_buckets,
        "worst_gradient_error": worst,
        "unexpected_gradients": missing,
        "own_gradient": digest([own["conv_stem.weight"]]),
    }
    for parameter in trainer.update.supernet.parameters():
        assert parameter.grad is None or parameter.grad.stride() == parameter.stride()
    for step, (batch, targets) in zip(range(3), trainer.batches(0), strict=False):
        trainer._step(step, batch, targets)
    result["parameters"] = digest(trainer.update.supernet.parameters())
    (output / f"rank_{rank}.json").write_text(json.dumps(result))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
