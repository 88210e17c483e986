"""What configurations check and complete of their fields."""

import os
from typing import Any

_SEEDS = 2**32  # of numpy


def require(condition: bool, message: str) -> None:
    """ValueError with `message` unless the condition holds."""
    if not condition:
        raise ValueError(message)


def require_seed(seed: int) -> None:
    """ValueError unless all random generators take the seed."""
    require(0 <= seed < _SEEDS, f"seed must be from 0 to {_SEEDS - 1}, not {seed}")


def expand_user(config: Any, *names: str) -> None:
    """Make a leading ``~`` of these fields the home folder, which shells leave as it is behind a ``=``."""
    for name in names:
        if (path := getattr(config, name)) is not None:
            object.__setattr__(config, name, os.path.expanduser(path))
