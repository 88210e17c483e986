"""from nothing to a trained, searched, published and loaded subnet, in minutes

Trains a supernet on scikit-learn's handwritten digits, searches it, publishes its best subnets to the local store and
loads one with timm. Started again in the same folder it goes on from where it was."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from .options import add_overrides, read_run_config

if TYPE_CHECKING:
    from ..weights import Publication

SNIPPET = """\
import timm; from alphanet_plugin.data import test_digit
model = timm.create_model("{name}", pretrained=True).eval()
print(model(timm.data.create_transform(**timm.data.resolve_model_data_config(model))(test_digit(0)[0])[None]).argmax())
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", metavar="DIR", help="folder of the run (default: runs/digits)")
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    from ..data import test_digit
    from ..runs import open_run
    from .publish import print_published, publish
    from .search import search
    from .train import train

    began = time.monotonic()
    overrides = [*arguments.overrides, *([f"output={arguments.output}"] if arguments.output else [])]
    config = read_run_config("configs/digits.yaml", overrides)
    train(config)
    trained = open_run(config.output, overrides)
    found = search(trained)
    published = publish(trained)
    print_published(published)
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    print(f"{len(found)} subnets evaluated, {len(published)} published in {minutes} min {seconds} s")
    print(f"Picture of the Pareto front: {trained.folder.picture}")
    print(f"\nLoad the best one with timm and classify the first test digit, a {test_digit(0)[1]}:\n")
    print(SNIPPET.format(name=_best(published).name))


def _best(published: list[Publication]) -> Publication:
    """The most accurate, and the cheapest of those."""
    return max(published, key=lambda one: (one.metrics["top1"], -one.mflops))
