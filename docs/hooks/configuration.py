"""The page of all configuration keys, made from the dataclasses' docstrings while the site is built."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any, get_args, get_type_hints

import alphanet_launcher

alphanet_launcher.starting = True  # as a verb does: timm and torch, which take half of the time, are not needed here
try:
    from alphanet_plugin import config
finally:
    alphanet_launcher.starting = False

MARK = "<!-- every key, from alphanet_plugin.config -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """mkdocs calls this with the text of every page."""
    return markdown.replace(MARK, reference()) if MARK in markdown else markdown


def reference() -> str:
    """A section for each dataclass of `alphanet_plugin.config`, with a row for each key."""
    classes = [one for one in vars(config).values() if inspect.isclass(one) and dataclasses.is_dataclass(one)]
    return "\n\n".join(_section(one) for one in classes if dataclasses.fields(one))


def _section(of: type) -> str:
    summary = inspect.cleandoc(of.__doc__ or "").partition("\nAttributes:")[0].strip()
    told = described(of)
    rows = [f"| `{one.name}` | {_default(one)} | {told[one.name]} |" for one in dataclasses.fields(of)]
    return "\n".join(
        [f"## {of.__name__}", "", _plain(summary), "", "| key | default | |", "| --- | --- | --- |", *rows]
    )


def described(of: type) -> dict[str, str]:
    """Key -> what the docstrings of the class and its bases say of it; a section's own where they are silent."""
    found = {name: _plain(line) for name, of_key in get_type_hints(of).items() if (line := _about_section(of_key))}
    for base in reversed(of.__mro__):
        text = inspect.cleandoc(base.__doc__ or "").partition("\nAttributes:")[2]
        for name, words in re.findall(r"^    (\w+): (.*(?:\n     .*)*)", text, flags=re.MULTILINE):
            found[name] = _plain(" ".join(words.split()))
    return found


def _about_section(kind: Any) -> str:
    """The first line on a section's class; nothing of another key."""
    classes = [one for one in (kind, *get_args(kind)) if inspect.isclass(one) and dataclasses.is_dataclass(one)]
    return (inspect.getdoc(classes[0]) or "").partition("\n")[0] if classes else ""


def _default(one: dataclasses.Field) -> str:
    if one.default is not dataclasses.MISSING:
        return f"`{one.default!r}`"
    if one.default_factory is dataclasses.MISSING:
        return "must be given"
    made = one.default_factory()
    return f"`{type(made).__name__}`" if dataclasses.is_dataclass(made) else f"`{made!r}`"


def _plain(text: str) -> str:
    """A docstring's text as Markdown within a table."""
    return text.replace("``", "`").replace("|", "\\|").replace("<", "&lt;")
