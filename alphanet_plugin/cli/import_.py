"""turn a released supernet (AlphaNet, AttentiveNAS, once-for-all) into timm models

alphanet import alphanet_best.pth.tar --space attentive_nas --calibrate /data/imagenet
  writes the supernet to the local store, and every published arch as alphanet_a0.fb_in1k ...
alphanet import attentive_nas.pth.tar --family attentive_nas --calibrate /data/imagenet
  the same as attentive_nas_a0.fb_in1k ...
alphanet import ofa_mbv3_d234_e346_k357_w1.2 --space ofa_mbv3 --width-mult 1.2 --calibrate /data/imagenet
  once-for-all's, as ofa_mbv3_largest.ofa_in1k ..., its kernel transform folded into their weights

The checkpoint's own BatchNorm statistics belong to no subnet; without --calibrate only the supernet is kept. Under
`accelerate launch` its processes share estimating them."""

from __future__ import annotations

import argparse
import shlex
from functools import partial
from typing import TYPE_CHECKING, Any

from .process import start_cpu_ranks
from .progress import progress_bar, say

if TYPE_CHECKING:
    from ..data import CalibrationImages
    from ..runs import Ranks
    from ..weights import Publication, ReleasedSupernet

NOT_CALIBRATED = """\
Nothing is offered to timm: the checkpoint's BatchNorm statistics belong to no subnet, and its models would answer at
random. Give training images to estimate them on: alphanet import {checkpoint} --calibrate IMAGE_FOLDER"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", help="the released .pth.tar file")
    parser.add_argument("--space", default="attentive_nas", help="its search space (default: attentive_nas)")
    parser.add_argument("--width-mult", type=float, help="what channels are multiplied by (default: the space's own)")
    parser.add_argument(
        "--family", help="by which method it was trained, and so what its models are called: alphanet (default) or "
        "attentive_nas for their space",
    )  # fmt: skip
    parser.add_argument("--tag", help="tag of the models (default: fb_in1k, or ofa_in1k for once-for-all's)")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="put these models in the place of another run's or file's of the same tag",
    )
    parser.add_argument(
        "--calibrate", metavar="IMAGE_FOLDER",
        help="training images for BatchNorm (or a .safetensors file of ready batches)",
    )  # fmt: skip
    parser.add_argument("--batches", type=int, default=64, help="calibration batches (default: 64, as the paper)")
    parser.add_argument("--batch-size", type=int, default=256, help="images of a batch (default: 256)")
    parser.add_argument("--cache-gb", type=float, default=8.0, help="keep images of up to so many GB in memory")
    parser.add_argument("--workers", type=int, default=0, help="processes that read images")
    parser.add_argument("--device", default="cpu", help="where to calibrate, such as cuda")


def run(arguments: argparse.Namespace) -> None:
    from ..runs import joined_ranks

    start_cpu_ranks()
    with joined_ranks() as ranks:
        _import(arguments, ranks)


def _import(arguments: argparse.Namespace, ranks: Ranks) -> None:
    from ..data import open_calibration
    from ..spaces import get_space
    from ..weights import read_released, statistics_of

    space = get_space(arguments.space, **({} if arguments.width_mult is None else {"width_mult": arguments.width_mult}))
    calibration = arguments.calibrate and open_calibration(
        arguments.calibrate,
        num_batches=arguments.batches,
        batch_size=arguments.batch_size,
        cache_gb=arguments.cache_gb,
        num_workers=arguments.workers,
    )
    say(f"reading {arguments.checkpoint} ...", shown=ranks.is_first)
    released = read_released(arguments.checkpoint, space=space, family=arguments.family, tag=arguments.tag)
    if ranks.is_first:
        _store(released, arguments)
    if not calibration:
        if ranks.is_first:
            print(NOT_CALIBRATED.format(checkpoint=shlex.quote(arguments.checkpoint)))
        return
    work = statistics_of(released, calibration, ranks.device(arguments.device))
    about = {"checkpoint": released.sha256, "images": calibration.description}
    if not ranks.is_first:
        ranks.serve([work], about)
        return
    ranks.offer([work], about)
    print(f"BatchNorm statistics: {calibration.description}")
    _print(_publish(released, calibration, arguments, partial(ranks.spread, work)))


def _store(released: ReleasedSupernet, arguments: argparse.Namespace) -> None:
    """Keep the supernet, where what is to be published may be; say what it is."""
    from ..weights import check_replaceable, store_released

    print(f"sha256 {released.sha256}")
    if arguments.calibrate and not arguments.replace:
        check_replaceable(released.tag, released.record, released.archs)
    stored = store_released(released, replace=arguments.replace)
    print(f"supernet: {stored} ({len(released.archs)} published archs)")


def _publish(
    released: ReleasedSupernet, calibration: CalibrationImages, arguments: argparse.Namespace, estimate: Any
) -> list[Publication]:
    from ..weights import publish_released

    published = []
    with progress_bar("calibrate") as advance:
        advance(0, len(released.archs))
        for one in publish_released(released, calibration, replace=arguments.replace, estimate=estimate):
            published.append(one)
            advance(len(published), len(released.archs), one.name)
    return published


def _print(published: list[Publication]) -> None:
    from .. import store
    from ..report import SubnetRow, print_table

    rows = [SubnetRow(name=one.name, mflops=one.mflops, params=one.params, metrics={}) for one in published]
    print_table(rows, title=f"Published to {store.home()}, licence {published[0].license}; accuracy not measured")
    print(f"measure: alphanet evaluate {published[0].name} --data IMAGE_FOLDER --protocol paper")
