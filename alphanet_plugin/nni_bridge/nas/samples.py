"""NNI's samples, label to value, as archs and back. Labels are the names of the genes that leave a choice."""

from collections.abc import Mapping
from typing import Any

from ...spaces import AnyGene, Arch, SearchSpace
from ...spaces.arch import Number


def open_genes(space: SearchSpace) -> list[AnyGene]:
    """The genes with more than one candidate."""
    return [gene for gene in space.genes if len(gene.choices) > 1]


def arch_of(space: SearchSpace, sample: Mapping[str, Any]) -> Arch:
    """The arch of a sample; ValueError names the labels that are missing or the gene that does not fit."""
    missing = [gene.name for gene in open_genes(space) if gene.name not in sample]
    if missing:
        raise ValueError(f"the sample has no {', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}")
    return space.from_values(sample.get(gene.name, gene.choices[0]) for gene in space.genes)


def sample_of(space: SearchSpace, arch: Arch) -> dict[str, Number]:
    """The sample of an arch; of a continuous gene's values the candidate that makes the same network."""
    columns = zip(space.genes, space.values_batch([arch]).T, strict=True)
    values = {gene.name: gene.choices[gene.indices(column)[0]] for gene, column in columns}
    return {gene.name: values[gene.name] for gene in open_genes(space)}
