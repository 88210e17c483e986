"""``python -m alphanet_plugin.nni_bridge.hpo.search_trial RUN``: a trial that evaluates one subnet of a trained run.

It takes ``{"arch": printed form}`` from NNI, opens the run's newest checkpoint, estimates the subnet's BatchNorm
statistics anew on training images, and reports accuracy on the search images, MFLOPs, and the latency of one image on
the machine that it runs on. Neither NNI's NAS nor Lightning is imported.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import nni

from ...evaluation import measure_latency
from ...runs import build_evaluator, open_run, search_fingerprint
from ...spaces import Arch
from .orphan import die_with_parent
from .trial_result import pack_result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the trial."""
    parser = argparse.ArgumentParser(prog="search_trial", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("run_folder", metavar="RUN", help="folder of a trained run")
    parser.add_argument("--device", default="cpu", help="where the subnet is evaluated, such as cuda")
    parser.add_argument("--arch", help="evaluate this arch (printed form) where NNI gives none, to try the trial out")
    parser.add_argument(
        "--set", dest="overrides", metavar="KEY=VALUE", action="append", default=[],
        help="keys of the run that differ on this machine, such as data.root=/data/imagenet",
    )  # fmt: skip
    arguments = parser.parse_args(argv)
    die_with_parent()
    # First of all: a trial that dies before it leaves its parameters to another one.
    text = (nni.get_next_parameter() or {}).get("arch", arguments.arch)
    if not text:
        parser.error("NNI gave no arch; start this as an experiment's trialCommand, or give --arch")
    nni.report_final_result(evaluate_arch(text, arguments.run_folder, arguments.overrides, arguments.device))


def evaluate_arch(text: str, run_folder: str, overrides: Sequence[str] = (), device: str = "cpu") -> dict[str, Any]:
    """What the trial reports of an arch in its printed form.

    Raises:
        CheckpointError: There is no trained run.
        ValueError: The arch is not one of the run's space.
    """
    run = open_run(run_folder, overrides, device)
    arch: Arch = run.space.parse(text)
    evaluator = build_evaluator(run)
    metrics = evaluator(arch).to_dict()
    # as it would be used: fed at its own resolution
    subnet = run.supernet.extract(arch).to(device)
    subnet.resize_input = False  # type: ignore[assignment]
    latency = measure_latency(subnet, (run.space.in_chans, arch.resolution, arch.resolution), min_seconds=1.0)
    metrics["latency_ms"] = latency.median_ms
    return pack_result(arch, run.mflops(arch), metrics, search_fingerprint(run))


if __name__ == "__main__":
    main()
