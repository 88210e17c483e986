"""Search spaces by name."""

import difflib
from typing import Any

from .attentive_nas import AttentiveNASSpace
from .space import SearchSpace
from .us_mobilenet import UsMobileNetV1Space, UsMobileNetV2Space

_SPACES: dict[str, type[SearchSpace]] = {
    space.name: space for space in (AttentiveNASSpace, UsMobileNetV1Space, UsMobileNetV2Space)
}


def list_spaces() -> list[str]:
    """Names that `get_space` knows."""
    return sorted(_SPACES)


def get_space(name: str, **parameters: Any) -> SearchSpace:
    """The search space of that name.

    Args:
        name: One of `list_spaces()`.
        parameters: The space's own, such as ``resolutions=(32, 40, 48, 56)``.

    Raises:
        ValueError: No such space, or a parameter it does not take.
    """
    if name not in _SPACES:
        near = difflib.get_close_matches(str(name), _SPACES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(list_spaces())}"
        raise ValueError(f"no search space {name!r}; {hint}")
    try:
        return _SPACES[name](**parameters)
    except TypeError as error:
        raise ValueError(f"search space {name!r}: {error}") from None
