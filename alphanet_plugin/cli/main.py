"""``alphanet``: its verbs, and how errors are shown.

A verb's module is imported when the verb is called: importing this one takes neither torch nor timm.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import logging
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from ..errors import AlphaNetError, one_line
from ..nearest import did_you_mean, nearest
from ..others_notes import hide_in_children, hide_others_notes
from .process import StderrHandler, check_device, format_warning, prepare_process, version

VERBS = {
    "quickstart": "quickstart", "train": "train", "distill": "distill", "search": "search", "evaluate": "evaluate",
    "predict": "predict", "publish": "publish", "finetune": "finetune", "export": "export", "import": "import_",
    "profile": "profile", "models": "models", "study": "study", "report": "report", "nni": "nni", "doctor": "doctor",
    "completion": "completion",
}  # fmt: skip
"""The verbs, and the module of each in this folder."""

BUSY = ("quickstart", "train", "distill", "search", "publish", "finetune", "evaluate", "import", "study", "nni")
"""Verbs that compute for long enough to start the program again for it; see `prepare_process`."""

TOGETHER = ("train", "distill", "finetune", "search", "publish", "import")
"""Verbs whose work the processes of a launch share; of all others the first alone works."""

RESUMING = ("quickstart", "train", "distill", "search", "finetune", "study")
"""Verbs that go on where the same command was stopped."""


class _Parser(argparse.ArgumentParser):
    """Ends with one line on an argument that is wrong, as every other error does, and names the nearest option."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"alphanet: error: {' '.join(message.split())} (see {self.prog} --help)\n")

    def parse_known_args(self, *args: Any, **kwargs: Any) -> tuple[argparse.Namespace, list[str]]:
        """argparse asks the parser of a verb by this, and leaves to the one above it what that one does not know."""
        arguments, unknown = super().parse_known_args(*args, **kwargs)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._hint(unknown)}")
        return arguments, unknown

    def _hint(self, unknown: Sequence[str]) -> str:
        options = [option for option in self._option_string_actions if option.startswith("--")]
        wrong = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
        near = wrong and nearest(wrong, options)
        return f"; did you mean {near}?" if near else ""


def build_parser(called: str | None = None) -> argparse.ArgumentParser:
    """The parser of ``alphanet``.

    Args:
        called: The verb whose options are needed, which imports its module; None for those of all.
    """
    parser = _Parser(
        prog="alphanet", description="Train one supernet, search it for every budget, publish its best subnets to timm."
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=_Parser)
    for verb, module in VERBS.items():
        summary, _, details = _docstring(module).partition("\n\n")
        child = verbs.add_parser(
            verb,
            help=summary,
            description=summary,
            epilog=details,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if called in (None, verb):
            child.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
            _module(module).add_arguments(child)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb.

    Returns:
        0 on success, 1 on a defect of this program, 2 on an error that is the user's to mend, 130 when interrupted, and
        141 when what read the output has gone.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    verb = _called_verb(given)
    debug = "--debug" in given
    hide_others_notes()
    if argv is None:
        hide_in_children()
        _print_at_once()
        warnings.formatwarning = format_warning
    try:
        with _said_if_slow(verb, given) if argv is None else contextlib.nullcontext():
            if argv is None and verb not in TOGETHER and not _alone_of_launch(verb):
                return 0
            if argv is None and verb in BUSY:
                prepare_process()  # before a verb's module loads torch
            arguments = build_parser(verb or "").parse_args(given)
            _say_if_slow(f"alphanet {verb} ...")
            logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[StderrHandler()])
            check_device(getattr(arguments, "device", None))
            _module(VERBS[arguments.verb]).run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        again = "; run the same command again to go on from where it was" if verb in RESUMING else ""
        print(f"interrupted{again}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return _closed_pipe()
    except Exception as error:
        if debug:
            raise
        return _show(error)
    return 0


def _alone_of_launch(verb: str | None) -> bool:
    """Whether this process does a verb that one process does: it is the first of its launch, or was not launched."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return True
    if os.environ.get("RANK", "0") != "0":
        return False
    from ..runs import leave_launch
    from .progress import say

    leave_launch()
    say(f"alphanet {verb} works in one process; the others that were launched end here", shown=verb is not None)
    return True


def _said_if_slow(verb: str | None, given: Sequence[str]) -> contextlib.AbstractContextManager[None]:
    """Lines on standard error while a verb loads torch and images or has no steps to count, on the first rank."""
    if verb is None or {"-h", "--help"} & set(given) or os.environ.get("RANK", "0") != "0":
        return contextlib.nullcontext()
    from .progress import said_if_slow

    return said_if_slow("loading torch and timm ...")


def _say_if_slow(what: str) -> None:
    from .progress import say_if_slow

    say_if_slow(what)


def _print_at_once() -> None:
    """Write each line when it is printed, also into a pipe or file, where lines would come in blocks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def _show(error: Exception) -> int:
    """Print one line; returns the exit status."""
    if isinstance(error, (AlphaNetError, ValueError, OSError)):
        print(f"alphanet: error: {one_line(error)}", file=sys.stderr)
        return 2
    kind = type(error).__name__
    print(f"alphanet: internal error: {kind}: {one_line(error)} (--debug shows the traceback)", file=sys.stderr)
    return 1


def _closed_pipe() -> int:
    """What reads the output has gone, as of ``alphanet models | head -1``: end without a word, as other programs do."""
    with contextlib.suppress(OSError, ValueError):  # where it is no file, as in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
    return 128 + getattr(signal, "SIGPIPE", 13)


def _called_verb(given: Sequence[str]) -> str | None:
    """The verb on a command line; None where there is none.

    Raises:
        SystemExit: There is no such verb; the message names the nearest.
    """
    verb = next((word for word in given if not word.startswith("-")), None)
    if verb is None or verb in VERBS:
        return verb
    print(f"alphanet: error: there is no verb {verb:.60}; {did_you_mean(verb, VERBS)}", file=sys.stderr)
    raise SystemExit(2)


def _docstring(module: str) -> str:
    """A verb's docstring, read without importing what the verb needs."""
    path = Path(__file__).with_name(f"{module}.py")
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def _module(module: str) -> ModuleType:
    """A verb's module; all but `doctor`, which looks at what cannot be loaded, know this package's models by name."""
    if module != "doctor":
        _load_models()
    return import_module(f".{module}", __package__)


def _load_models() -> None:
    """Load torch, timm and this package's models.

    Raises:
        AlphaNetError: They are not installed as they should be, such as torch for CPUs with torchvision for CUDA.
    """
    try:
        import_module("..models", __package__)
    except (ImportError, RuntimeError, OSError) as error:
        raise AlphaNetError(
            f"torch, torchvision or timm cannot be loaded ({one_line(error, 300)}); install torch and torchvision of "
            "versions that belong together from one index, as README.md says; `alphanet doctor` lists what is here"
        ) from error


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        print(f"alphanet {version()}")
        parser.exit()
