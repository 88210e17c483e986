"""NNI's samples, label to value, as archs and back. Labels are the names of the genes that leave a choice."""

from collections.abc import Mapping
from typing import Any

from ..spaces import Arch, SearchSpace
from ..spaces.gene import Gene


def open_genes(space: SearchSpace) -> list[Gene]:
    """The genes with more than one candidate."""
    return [gene for gene in space.genes if len(gene.choices) > 1]


def arch_of(space: SearchSpace, sample: Mapping[str, Any]) -> Arch:
    """The arch of a sample; ValueError names the labels that are missing or the gene that does not fit."""
    missing = [gene.name for gene in open_genes(space) if gene.name not in sample]
    if missing:
        raise ValueError(f"the sample has no {', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}")
    return space.from_values(sample.get(gene.name, gene.choices[0]) for gene in space.genes)


def sample_of(space: SearchSpace, arch: Arch) -> dict[str, int]:
    """The sample of an arch."""
    values = dict(zip((gene.name for gene in space.genes), space.values(arch), strict=True))
    return {gene.name: values[gene.name] for gene in open_genes(space)}
