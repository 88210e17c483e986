"""One network of a search space, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from numbers import Integral
from typing import Any

from ..errors import brief

Number = int | float
FieldValue = Number | tuple[Number, ...]


class Arch(Mapping[str, FieldValue]):
    """An immutable, hashable choice for every gene of a space, field by field.

    Reads as a mapping (``arch["width"]``) and by attribute (``arch.width``). ``str(arch)`` is its printed form,
    ``resolution=192 width=16,16,24 depth=1,3``, which `Arch.parse` reads back; `to_dict` gives what YAML and JSON hold.
    An Arch knows no candidates: `SearchSpace.arch` makes one that is checked, `SearchSpace.validate` checks one.
    """

    __slots__ = ("_fields", "_hash")
    _fields: dict[str, FieldValue]
    _hash: int

    def __init__(self, fields: Mapping[str, Any]):
        if not isinstance(fields, Mapping):
            raise ValueError(f"an arch takes its fields (resolution=..., width=...), not {brief(fields)}")
        frozen = {name: _freeze(name, value) for name, value in fields.items()}
        object.__setattr__(self, "_fields", frozen)
        object.__setattr__(self, "_hash", hash(frozenset(frozen.items())))

    def __getitem__(self, field: str) -> FieldValue:
        return self._fields[field]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __getattr__(self, field: str) -> Any:
        if field.startswith("_") or field not in self._fields:
            raise AttributeError(f"this arch has no field {field!r}; it has {', '.join(self._fields)}")
        return self._fields[field]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("an Arch is immutable; make another with SearchSpace.arch(...)")

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self):
        return Arch, (self._fields,)

    def __str__(self) -> str:
        return " ".join(
            f"{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
            for name, value in self._fields.items()
        )

    def __repr__(self) -> str:
        return f"Arch({self})"

    def to_dict(self) -> dict[str, Number | list[Number]]:
        """Plain numbers and lists, for YAML and JSON."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in self._fields.items()}

    @classmethod
    def parse(cls, text: str) -> Arch:
        """Read the printed form back; ValueError says what could not be read."""
        fields: dict[str, Any] = {}
        for part in text.removeprefix("Arch(").removesuffix(")").split():
            name, equals, value = part.partition("=")
            try:
                numbers = tuple(_read_number(number) for number in value.split(","))
            except ValueError:
                equals = ""
            if not equals:
                raise ValueError(
                    f"cannot read {brief(part)} of an arch; it reads like 'resolution=192 width=16,16,24 ...'"
                )
            fields[name] = numbers if "," in value else numbers[0]
        if not fields:
            raise ValueError("an arch's printed form is empty; it reads like 'resolution=192 width=16,16,24 ...'")
        return cls(fields)


def _freeze(name: str, value: Any) -> FieldValue:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        if hasattr(value, "__len__"):
            return tuple(_number(number) for number in value)
        return _number(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"field {name!s:.60} of an arch takes a number or a list of them, not {brief(value)}"
        ) from None


def _number(number: Any) -> Number:
    """An int or a float of Python's own; ValueError or TypeError for what is none, or not finite."""
    if isinstance(number, bool) or not isfinite(number):
        raise ValueError
    return int(number) if isinstance(number, Integral) else float(number)


def _read_number(text: str) -> Number:
    try:
        return int(text)
    except ValueError:
        return float(text)
