"""``alphanet``: its verbs, and how errors are shown."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from ..errors import AlphaNetError
from . import (
    distill,
    evaluate,
    export,
    finetune,
    import_,
    models,
    nni,
    profile,
    publish,
    quickstart,
    search,
    study,
    train,
)
from .process import prepare_process

VERBS = (
    quickstart, train, distill, search, evaluate, publish, finetune, export, import_, profile, models, study, nni,
)  # fmt: skip

BUSY = ("quickstart", "train", "distill", "search", "publish", "finetune", "evaluate", "import", "study", "nni")
"""Verbs that compute for long enough to start the program again for it; see `prepare_process`."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``alphanet`` with all its verbs."""
    parser = argparse.ArgumentParser(
        prog="alphanet", description="Train one supernet, search it for every budget, publish its best subnets to timm."
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in VERBS:
        name = verb.__name__.rpartition(".")[2].rstrip("_")  # import_ is a word of Python's
        summary, _, details = (verb.__doc__ or "").partition("\n\n")
        child = verbs.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=details,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        child.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        verb.add_arguments(child)
        child.set_defaults(run=verb.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; 0 on success, 2 on an error that is the user's to mend, 130 when interrupted."""
    arguments = build_parser().parse_args(argv)
    if argv is None and arguments.verb in BUSY:
        prepare_process()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        arguments.run(arguments)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on from the last checkpoint", file=sys.stderr)
        return 130
    except (AlphaNetError, ValueError, OSError) as error:
        if arguments.debug:
            raise
        print(f"alphanet: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0
