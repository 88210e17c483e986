"""One decision of a search space."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Gene:
    """A named decision and its candidates.

    Attributes:
        name: How users meet it, e.g. ``mb3.width``.
        field: The arch's field that holds it, e.g. ``width``.
        index: Its position in that field; None where the field is one number.
        choices: Candidates in ascending order.
    """

    name: str
    field: str
    index: int | None
    choices: tuple[int, ...]

    def check(self, value: object) -> int:
        """The candidate equal to `value`; ValueError names the gene, the value and the candidates."""
        for choice in self.choices:
            if choice == value and not isinstance(value, bool):
                return choice
        candidates = ", ".join(map(str, self.choices))
        raise ValueError(f"gene {self.name}: {value!r} is not a candidate; choose from {candidates}")
