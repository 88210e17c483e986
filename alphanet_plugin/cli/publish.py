"""publish a run's best subnets for timm

The presets and a spread of the last search's Pareto front, or what --arch names, are recalibrated, measured on the
test images, and written to the local store ($ALPHANET_HOME, or the user's data directory), where timm finds them by
name; with --hub they are uploaded to the Hugging Face hub too, each to a repository ORG/ARCHITECTURE.TAG. Under
`accelerate launch` its processes share recalibrating and measuring. Example:
  alphanet publish runs/digits --tag mine
  alphanet publish runs/digits --tag mine --arch front2 --arch my_arch.yaml
  alphanet publish runs/digits --tag mine --hub my-lab --private"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .options import add_overrides, read_run_arch
from .process import start_cpu_ranks
from .progress import progress_bar, say

if TYPE_CHECKING:
    from ..runs import Ranks, TrainedRun
    from ..weights import Publication


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="folder of a trained run")
    parser.add_argument("--tag", help="short for --set publish.tag=TAG")
    parser.add_argument(
        "--arch", action="append", default=[], metavar="ARCH",
        help="publish this and no other: a preset, front1 ... of the search, largest, smallest, a YAML file or the "
        "printed form; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--replace", action="store_true", help="put this run's models in the place of another run's of the same tag"
    )
    parser.add_argument("--hub", metavar="ORG", help="also upload to this organisation or user on the hub")
    parser.add_argument("--private", action="store_true", help="with --hub: make new repositories private")
    parser.add_argument("--device", default="cpu", help="where subnets are recalibrated and measured, such as cuda")
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    from ..runs import help_publish, joined_ranks, last_choice, open_run
    from ..weights import check_upload

    if arguments.private and not arguments.hub:
        raise ValueError("--private is about repositories on the hub: give --hub ORG too")
    start_cpu_ranks()
    overrides = [
        *last_choice(arguments.run_folder),
        *arguments.overrides,
        *([f"publish.tag={json.dumps(arguments.tag)}"] if arguments.tag else []),
    ]
    with joined_ranks() as ranks:
        if arguments.hub and ranks.is_first:
            check_upload(arguments.hub)
        trained = open_run(arguments.run_folder, overrides, ranks.device(arguments.device))
        if ranks.is_first:
            _run(arguments, trained, ranks)
        else:
            help_publish(trained, ranks)


def _run(arguments: argparse.Namespace, trained: TrainedRun, ranks: Ranks) -> None:
    published = publish(trained, arguments.arch, replace=arguments.replace, ranks=ranks)
    print_published(published, trained)
    if arguments.hub:
        upload(published, arguments.hub, arguments.private)


def publish(
    trained: TrainedRun, archs: Sequence[str] = (), *, replace: bool = False, ranks: Ranks | None = None
) -> list[Publication]:
    """Publish `archs`, or else what the configuration names; cheapest first."""
    from .. import runs

    chosen = runs.to_publish(trained, [read_run_arch(text, trained) for text in archs])
    if not chosen:
        raise ValueError("nothing to publish: publish.presets is empty, and there was no search; give --arch ARCH")
    if not replace:
        runs.check_replaceable(trained, chosen)
    published = []
    with progress_bar("publish") as advance:
        advance(0, len(chosen))
        for one in runs.publish_run(trained, chosen, replace=replace, ranks=ranks):
            published.append(one)
            advance(len(published), len(chosen), f"{one.name} {one.metrics['top1']:.2f} %")
    return sorted(published, key=lambda one: one.mflops)


def upload(published: list[Publication], org: str, private: bool) -> None:
    """Upload what was published, and say where each is.

    Raises:
        HubError: One could not be uploaded; which ones were and which were not is named.
    """
    from .. import store
    from ..errors import AlphaNetError, HubError
    from ..weights import push_to_hub

    names = [one.name for one in published]
    for number, one in enumerate(published):
        say(f"uploading {one.name} ...")
        try:
            print(f"Uploaded {push_to_hub(store.model_folder(one.architecture, one.tag), org, private)}")
        except AlphaNetError as error:
            done, left = ", ".join(names[:number]) or "none", ", ".join(names[number:])
            raise HubError(
                f"{one.name} was not uploaded: {error}. Uploaded to {org}: {done}; not uploaded: {left}. "
                "All are in the local store; run the same command again to go on"
            ) from error
    print(f"With ALPHANET_HUB={org} in the environment, timm.create_model(..., pretrained=True) finds them by name")


def print_published(published: list[Publication], trained: TrainedRun) -> None:
    """A table of what was published: figures measured on the test images, and latency if it was searched by."""
    from .. import store
    from ..report import SubnetRow, print_table
    from ..runs import cost_of_run

    table = cost_of_run(trained, measuring=False).table
    rows = [
        SubnetRow(
            name=one.name,
            mflops=one.mflops,
            params=one.params,
            metrics={
                **({"latency (ms)": table.latency_ms(one.arch)} if table is not None and one.arch is not None else {}),
                "test top-1 (%)": one.metrics["top1"],
            },
        )
        for one in published
    ]
    print_table(rows, title=f"Published to {store.home()}")
