"""from nothing to a trained, searched, published and loaded subnet, in minutes

Trains a supernet on scikit-learn's handwritten digits, searches it, publishes its best subnets to the local store and
loads one with timm. Started again in the same folder it goes on from where it was."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from typing import TYPE_CHECKING

from .options import add_overrides

if TYPE_CHECKING:
    from ..search import Evaluated
    from ..weights import Publication

SNIPPET = """\
import timm; from alphanet_plugin.data import test_digit
model = timm.create_model("{name}", pretrained=True).eval()
print(model(timm.data.create_transform(**timm.data.resolve_model_data_config(model))(test_digit(0)[0])[None]).argmax())
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", metavar="DIR", help="folder of the run (default: runs/digits)")
    parser.add_argument(
        "--replace", action="store_true", help="put this run's models in the place of another run's of the same tag"
    )
    add_overrides(parser)


def run(arguments: argparse.Namespace) -> None:
    from .. import runs
    from .publish import print_published, publish
    from .report import write_run_page
    from .search import search
    from .train import train

    began = time.monotonic()
    overrides = [*arguments.overrides, *([f"output={json.dumps(arguments.output)}"] if arguments.output else [])]
    config = runs.read_config("configs/digits.yaml", overrides)
    train(config)
    trained = runs.open_run(config.output, overrides)
    found = search(trained)
    published = publish(trained, replace=arguments.replace)
    print_published(published, trained)
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    print(f"{len(found)} subnets evaluated, {len(published)} published in {minutes} min {seconds} s")
    print(f"Picture of the Pareto front: {trained.folder.picture}")
    _print_snippet(_best(published, found))
    page = write_run_page([trained], [runs.compare_run(trained)])
    print(f"\nThe report of this run, to open in a browser: {page}")


def _best(published: list[Publication], found: list[Evaluated]) -> Publication:
    """The most accurate on the search images, which chose nothing by the test images, and the cheapest of those."""
    accuracy = {subnet.arch: subnet.metrics["top1"] for subnet in found}
    return max(published, key=lambda one: (accuracy.get(one.arch, -1.0) if one.arch else -1.0, -one.mflops))


def _print_snippet(best: Publication) -> None:
    """Three lines to paste, and what they print."""
    from ..data import test_digit

    snippet = SNIPPET.format(name=best.name)
    answer = _answer(snippet)
    digit = test_digit(0)[1]
    right = "which is right" if answer == f"tensor({digit})" else f"though it is a {digit}"
    print("\nLoad the one that was best in the search with timm, and classify the first test digit:\n")
    print(snippet)
    print(f"They print {answer}, {right}.")


def _answer(snippet: str) -> str:
    """What the lines print: they are run here."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(snippet, "<quickstart>", "exec"), {})
    return printed.getvalue().strip()
