"""YAML text as plain values: bounded, and never silent about a key that is given twice."""

from __future__ import annotations

import re
from typing import Any

import yaml

from .errors import ConfigError

MAX_EXPANDED = 100_000
"""Values that a text's aliases may stand for. Without aliases a text holds as many values as it has room for."""
MAX_DEPTH = 64
"""Mappings and lists inside each other."""

_NUMBER_OF_YAML_1_1 = re.compile(r"[-+]?(0[0-9_]+|[0-9_]+(:[0-9_.]+)+)")
"""010, which would be 8, and 1:30, which would be 90: texts, as in YAML 1.2."""
_TEXT = "tag:yaml.org,2002:str"


def parse_yaml(text: str, what: str) -> Any:
    """The value that a YAML text holds. `what` names the text in errors, such as its path.

    Raises:
        ConfigError: It is not valid YAML, gives a key twice, is nested more than `MAX_DEPTH` deep, or its aliases
            stand for more than `MAX_EXPANDED` values or for themselves.
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        values = _Checked(what).count(node, 0)
        if values > MAX_EXPANDED and values > len(text):
            raise ConfigError(f"{what}: its aliases stand for {values:.3g} values; at most {MAX_EXPANDED:,} are read")
        return loader.construct_document(node)
    except ConfigError:
        raise
    except RecursionError:
        raise ConfigError(_too_deep(what)) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{what} is not valid YAML: {' '.join(str(error).split())}") from error
    except Exception as error:  # PyYAML's own on a value such as 2001-99-99, 0b_ or !!int x: ValueError, KeyError ...
        raise ConfigError(f"{what} is not valid YAML: a value cannot be read ({type(error).__name__})") from error


def number_from_text(value: Any) -> Any:
    """`value` as a float where it is the text of one: YAML 1.1 reads 1e-5 as text, and people mean the number."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


class _Checked:
    """Checks a text's nodes before values are made of them."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._counts: dict[int, int] = {}  # by id of the node, so that an alias costs nothing
        self._open: set[int] = set()

    def count(self, node: yaml.Node, depth: int) -> int:
        """How many values the node holds, its aliases written out."""
        if id(node) in self._open:
            line = node.start_mark.line + 1
            raise ConfigError(f"{self._what}: line {line} is a part of itself, through an alias; write it out")
        if depth > MAX_DEPTH:
            raise ConfigError(_too_deep(self._what))
        if isinstance(node, yaml.ScalarNode) and _NUMBER_OF_YAML_1_1.fullmatch(node.value):
            node.tag = _TEXT
        if id(node) not in self._counts:
            self._open.add(id(node))
            self._counts[id(node)] = 1 + sum(self.count(child, depth + 1) for child in self._children(node))
            self._open.remove(id(node))
        return self._counts[id(node)]

    def _children(self, node: yaml.Node) -> list[yaml.Node]:
        if isinstance(node, yaml.MappingNode):
            self._check_keys(node)
            return [child for pair in node.value for child in pair]
        return node.value if isinstance(node, yaml.SequenceNode) else []

    def _check_keys(self, node: yaml.MappingNode) -> None:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise ConfigError(
                        f"{self._what}: line {key.start_mark.line + 1} gives {key.value!r:.60} twice; keep one"
                    )
                seen.add(key.value)


def _too_deep(what: str) -> str:
    return f"{what} is nested too deeply; at most {MAX_DEPTH} levels are read"
