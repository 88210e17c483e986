"""print a script that completes this command line in a shell

alphanet completion bash > ~/.local/share/bash-completion/completions/alphanet
alphanet completion zsh > ~/.zfunc/_alphanet

Made by shtab: pip install shtab. Verbs and options are in the script; make it anew after an
update."""

from __future__ import annotations

import argparse

from ..errors import AlphaNetError, how_to_install

SHELLS = ("bash", "zsh", "tcsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS)


def run(arguments: argparse.Namespace) -> None:
    from .main import build_parser

    try:
        import shtab  # pyright: ignore[reportMissingImports]
    except ImportError:
        hint = how_to_install("shtab", extra="completion")
        raise AlphaNetError(f"alphanet completion needs shtab, which is not installed: {hint}") from None
    print(shtab.complete(build_parser(), shell=arguments.shell))
