"""What makes a subspace: fewer candidates for some genes, and genes that follow others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..errors import brief
from ..nearest import did_you_mean
from .gene import Activity, Gene, Place


class Following(NamedTuple):
    """A gene whose value another one decides.

    Attributes:
        leader: Name of that gene.
        pairs: Its value for each value of the leader, ascending.
    """

    leader: str
    pairs: tuple[tuple[int, int], ...]


def read_choices(choices: Mapping[str, Any] | None, genes: Sequence[Gene]) -> dict[str, tuple[int, ...]]:
    """The candidates that are left of each restricted gene, by its name.

    Args:
        choices: Candidates, or one, by the name of a gene, of a stage's field (``mb1.kernel_size``, which also means
            the genes of its blocks) or of a field. The closer name counts where a gene has several. Genes of a field
            keep what they have of the list; those of a single candidate keep that.
        genes: Of the whole space.

    Raises:
        ValueError: A name or value that the space does not have, or a gene with no candidate left.
    """
    left: dict[str, tuple[int, ...]] = {}
    keys = _flat(choices or {}, "choices")
    for key in sorted(keys, key=lambda key: _closeness(key, genes)):
        values = _numbers(keys[key], f"choices.{key}")
        found = _genes_of(key, genes, "choices")
        known = sorted({choice for gene in found for choice in gene.choices})
        for value in values:
            if value not in known:
                raise ValueError(f"choices.{key}: {brief(value)} is not a candidate; choose from {_listed(known)}")
        for gene in found:
            kept = tuple(choice for choice in gene.choices if choice in values)
            if not kept and len(gene.choices) > 1:
                raise ValueError(
                    f"choices.{key} {_listed(values)} leaves gene {gene.name} none of {_listed(gene.choices)}"
                )
            left[gene.name] = kept or gene.choices
    return {gene.name: left[gene.name] for gene in genes if left.get(gene.name, gene.choices) != gene.choices}


def read_follow(
    follow: Mapping[str, Any] | None, genes: Sequence[Gene], choices: Mapping[str, tuple[int, ...]], idle: set[str]
) -> dict[str, Following]:
    """For each gene that follows another: which, and how, by its name.

    Args:
        follow: ``{expand_ratio: {depth: [[2, 3], [3, 4], [4, 6]]}}``: where the depth of a stage is 2, the expand
            ratios of its blocks are 3, and so on. Names are as in `read_choices`; a leader called by its field is that
            of the follower's stage, or of the space.
        genes: Of the whole space.
        choices: What `read_choices` left.
        idle: Names of genes that do not act in every arch; they lead no other.

    Raises:
        ValueError: The message names the key, and what is allowed.
    """
    if not isinstance(follow or {}, Mapping):
        raise ValueError(f"follow holds genes and what they follow, not {brief(follow)}")
    followed: dict[str, Following] = {}
    for key in sorted(follow or {}, key=lambda key: _closeness(key, genes)):
        where = f"follow.{key}"
        rule = (follow or {})[key]
        if not isinstance(rule, Mapping) or len(rule) != 1:
            raise ValueError(
                f"{where} names one leader and its pairs, like {{depth: [[2, 3], [3, 4]]}}, not {brief(rule)}"
            )
        ((leader_key, given),) = rule.items()
        for gene in _genes_of(key, genes, "follow"):
            leader = _leader(gene, str(leader_key), genes, where)
            if leader.name != gene.name:
                pairs = _pairs(given, gene, leader, choices.get(leader.name, leader.choices), where)
                followed[gene.name] = Following(leader.name, pairs)
    for name, following in followed.items():
        if following.leader in followed or following.leader in idle:
            why = "follows another itself" if following.leader in followed else "does not act in every arch"
            raise ValueError(f"follow: gene {name} cannot follow {following.leader}, which {why}")
        if name in choices:
            raise ValueError(f"gene {name} is named in choices and in follow; what it follows decides, so name it once")
    return followed


def written_choices(choices: Mapping[str, tuple[int, ...]], genes: Sequence[Gene]) -> dict[str, list[int]]:
    """`choices` of genes for YAML and JSON, by fields where that says the same."""
    written: dict[str, list[int]] = {}
    for field in dict.fromkeys(gene.field for gene in genes):
        of_field = [gene for gene in genes if gene.field == field]
        groups = [[field], list(dict.fromkeys(_names(gene)[1] for gene in of_field)), [gene.name for gene in of_field]]
        wanted = {gene.name: choices[gene.name] for gene in of_field if gene.name in choices}
        for keys in groups if wanted else []:
            short = {key: _left_of(key, of_field, choices) for key in keys if _left_of(key, of_field, choices)}
            try:
                same = read_choices(short, genes) == wanted
            except ValueError:
                same = False
            if same:
                written.update(short)
                break
    return written


def _left_of(key: str, genes: Sequence[Gene], choices: Mapping[str, tuple[int, ...]]) -> list[int]:
    """Every candidate that is left of a restricted gene that `key` names."""
    return sorted({value for gene in genes if key in _names(gene) for value in choices.get(gene.name, ())})


def written_follow(follow: Mapping[str, Following], genes: Sequence[Gene]) -> dict[str, dict[str, list[list[int]]]]:
    """`follow` of genes for YAML and JSON, by fields where that says the same."""
    written: dict[str, dict[str, list[list[int]]]] = {}
    for field in dict.fromkeys(gene.field for gene in genes):
        of_field = {gene.name: follow[gene.name] for gene in genes if gene.field == field and gene.name in follow}
        by_gene = {name: {one.leader: [list(pair) for pair in one.pairs]} for name, one in of_field.items()}
        if not of_field:
            continue
        first = next(iter(of_field.values()))
        short = {field: {first.leader.rpartition(".")[2]: [list(pair) for pair in first.pairs]}}
        try:
            same = read_follow(short, genes, {}, set()) == of_field
        except ValueError:
            same = False
        written.update(short if same else by_gene)
    return written


def subspace_of(
    genes: Sequence[Gene],
    activities: Mapping[int, Activity],
    choices: Mapping[str, tuple[int, ...]],
    follow: Mapping[str, Following],
) -> tuple[tuple[Gene, ...], tuple[Place, ...]]:
    """What is left to decide, and where each entry of an arch comes from.

    Args:
        genes: Of the whole space.
        activities: When the entries of some of them act, by their place.
        choices: From `read_choices`.
        follow: From `read_follow`.
    """
    free = [replace(gene, choices=choices.get(gene.name, gene.choices)) for gene in genes if gene.name not in follow]
    columns = {gene.name: column for column, gene in enumerate(free)}
    places = []
    for number, gene in enumerate(genes):
        activity = activities.get(number)
        if gene.name in follow:
            leader, pairs = follow[gene.name]
            places.append(Place(gene, columns[leader], follows=dict(pairs), activity=activity))
        else:
            places.append(Place(gene, columns[gene.name], activity=activity))
    return tuple(free), tuple(places)


# -- inside -----------------------------------------------------------------------------------------------------------


def _flat(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``{mb1: {depth: [2]}}``, which ``--set space.choices.mb1.depth=[2]`` makes, as ``{mb1.depth: [2]}``."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} holds genes or fields and their candidates, not {brief(values)}")
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update({f"{key}.{name}": one for name, one in _flat(value, f"{where}.{key}").items()})
        else:
            flat[str(key)] = value
    return flat


def _names(gene: Gene) -> tuple[str, str, str]:
    """What a gene is called by: its own name, its stage's field, its field."""
    parts = gene.name.split(".")
    return gene.name, ".".join(dict.fromkeys((parts[0], parts[-1]))), gene.field


def _closeness(key: str, genes: Sequence[Gene]) -> int:
    """0 for a field, 1 for a stage's, 2 for one gene."""
    return max((2 - _names(gene).index(key) for gene in genes if key in _names(gene)), default=0)


def _genes_of(key: str, genes: Sequence[Gene], where: str) -> list[Gene]:
    found = [gene for gene in genes if key in _names(gene)]
    if not found:
        known = dict.fromkeys(name for gene in genes for name in reversed(_names(gene)))
        fields = ", ".join(dict.fromkeys(gene.field for gene in genes))
        hint = did_you_mean(key, known, f"fields are {fields}; genes are like {genes[-1].name}")
        raise ValueError(f"{where}.{key} is no gene or field; {hint}")
    return found


def _leader(gene: Gene, key: str, genes: Sequence[Gene], where: str) -> Gene:
    stage = gene.name.partition(".")[0]
    for names in ((f"{stage}.{key}", f"{stage}.0.{key}"), (key,)):
        found = [other for other in genes if other.name in names]
        if len(found) == 1:
            return found[0]
    raise ValueError(f"{where}: {key} is no gene, nor a field of which {stage} has a gene")


def _pairs(given: Any, gene: Gene, leader: Gene, left: Sequence[int], where: str) -> tuple[tuple[int, int], ...]:
    if isinstance(given, Mapping):
        given = list(given.items())
    if not isinstance(given, (list, tuple)) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in given
    ):
        raise ValueError(
            f"{where} takes pairs like [[2, 3], [3, 4]] of {leader.name}'s value and its own, not {brief(given)}"
        )
    try:
        pairs = {leader.check(value): gene.check(own) for value, own in given}
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    missing = [value for value in left if value not in pairs]
    if missing:
        raise ValueError(f"{where} does not say what goes with {leader.name} {_listed(missing)}")
    kept = tuple((value, pairs[value]) for value in left)
    if [own for _, own in kept] != sorted(own for _, own in kept):
        raise ValueError(f"{where} must not fall where {leader.name} rises, as {_listed(kept)} does")
    return kept


def _numbers(values: Any, where: str) -> list[int]:
    numbers = list(values) if isinstance(values, (list, tuple)) else [values]
    if not numbers or any(isinstance(number, bool) or not isinstance(number, int) for number in numbers):
        raise ValueError(f"{where} takes a list of candidates, not {brief(values)}")
    return numbers


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))
