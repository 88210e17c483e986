"""Subspaces: fewer candidates, genes that follow others; their archs are archs of the whole."""

import json
from pathlib import Path

import numpy as np
import pytest
from spaces import COMPOFA, MY_SPACE

from alphanet_plugin import get_space

DATA = Path(__file__).parents[1] / "data"
WHOLE = get_space("ofa_mbv3")
COMPOFA_SPACE = get_space("ofa_mbv3", resolutions=(224,), **COMPOFA)


def test_compofa_costs_what_was_measured():
    facts = json.loads((DATA / "compofa_macs.json").read_text())
    ratios, kernels = {2: 3, 3: 4, 4: 6}, facts["kernel_per_stage"]
    for depths, macs in facts["rows"]:
        arch = COMPOFA_SPACE.arch(
            resolution=224,
            depth=depths,
            kernel_size=[kernel for kernel in kernels for _ in range(4)],
            expand_ratio=[ratios[depth] for depth in depths for _ in range(4)],
        )
        assert COMPOFA_SPACE.cost(arch).macs == WHOLE.cost(arch).macs == macs
        assert COMPOFA_SPACE.cost_batch(COMPOFA_SPACE.values_batch([arch]))[0].tolist() == [macs]


def test_compofa_has_243_networks_and_its_own_ends():
    assert COMPOFA_SPACE.num_archs == 243 == 3**5
    ends = [COMPOFA_SPACE.cost(arch).macs for arch in (COMPOFA_SPACE.smallest(), COMPOFA_SPACE.largest())]
    assert ends == [124326864, 446764320]
    assert [gene.name for gene in COMPOFA_SPACE.genes if len(gene.choices) > 1] == [
        f"mb{stage}.depth" for stage in range(1, 6)
    ]


@pytest.mark.parametrize(
    "parameters",
    [COMPOFA, {"choices": {"kernel_size": [7], "resolution": [224]}}, {"choices": {"depth": [2], "mb2.0": None}}],
    ids=["compofa", "kernel 7", "bad"],
)
def test_archs_of_a_subspace_are_archs_of_the_whole(parameters):
    if "mb2.0" in parameters["choices"]:
        with pytest.raises(ValueError, match=r"choices.mb2.0"):
            get_space("ofa_mbv3", **parameters)
        return
    part = get_space("ofa_mbv3", **parameters)
    values = part.sample_batch(100, np.random.default_rng(0))
    for arch in part.from_values_batch(values):
        assert WHOLE.validate(arch) == arch  # the same printed form, so one digest
        assert part.validate(WHOLE.validate(arch)) == arch
        assert part.network(arch) == WHOLE.network(arch)


def test_the_closer_name_decides_and_genes_keep_what_they_have():
    part = get_space("ofa_mbv3", choices={"mb2.1.kernel_size": [3], "kernel_size": [5, 7], "mb2.kernel_size": 7})
    left = {gene.name: gene.choices for gene in part.genes}
    assert [left[f"mb{stage}.1.kernel_size"] for stage in (1, 2, 3)] == [(5, 7), (3,), (5, 7)]
    assert left["mb2.0.kernel_size"] == (7,)
    nested = get_space(
        "ofa_mbv3", choices={"mb2": {"1": {"kernel_size": [3]}, "kernel_size": 7}, "kernel_size": [5, 7]}
    )
    assert nested.genes == part.genes  # as --set space.choices.mb2.kernel_size=7 gives it
    four = get_space("attentive_nas", choices={"expand_ratio": [4, 6], "depth": [1, 3]})
    left = {gene.name: gene.choices for gene in four.genes}
    assert (left["mb1.expand_ratio"], left["mb2.expand_ratio"], left["mb7.depth"]) == ((1,), (4, 6), (1,))


def test_two_ways_to_say_one_subspace_have_one_config():
    by_field = get_space("ofa_mbv3", choices={"depth": [2, 3], "kernel_size": [3, 5, 7]})
    by_gene = get_space("ofa_mbv3", choices={f"mb{stage}.depth": [3, 2] for stage in range(1, 6)})
    assert by_field.to_config() == by_gene.to_config()
    assert by_field.to_config()["choices"] == {"depth": [2, 3]}
    pairs = {2: 3, 3: 4, 4: 6}
    each = {f"mb{stage}.expand_ratio": {f"mb{stage}.depth": pairs} for stage in range(1, 6)}
    assert get_space("ofa_mbv3", follow=each).to_config()["follow"] == COMPOFA["follow"]


def test_presets_that_are_left():
    assert list(get_space("ofa_mbv3", choices={"expand_ratio": [3]}).presets) == ["d2e3", "d3e3", "d4e3"]
    assert not get_space("ofa_mbv3", choices={"kernel_size": [3]}).presets


def test_a_follower_that_does_not_follow_is_refused():
    fields = COMPOFA_SPACE.largest().to_dict()
    fields["expand_ratio"][5] = 4
    with pytest.raises(ValueError, match=r"gene mb2\.1\.expand_ratio: 4 .* from mb2\.depth; where that is 4, it is 6"):
        COMPOFA_SPACE.arch(**fields)
    assert WHOLE.arch(**fields)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"choices": {"kernel_sise": [3]}}, r"choices\.kernel_sise is no gene or field; did you mean 'kernel_size'"),
        ({"choices": {"kernel_size": [4]}}, r"choices\.kernel_size: 4 is not a candidate; choose from 3, 5, 7"),
        ({"choices": {"kernel_size": []}}, r"choices\.kernel_size takes a list of candidates, not \[\]"),
        ({"choices": {"kernel_size": "3"}}, r"choices\.kernel_size takes a list of candidates, not '3'"),
        ({"choices": [3]}, r"choices holds genes or fields and their candidates, not \[3\]"),
        ({"follow": {"expand_ratio": {"depth": [[2, 3], [3, 4]]}}}, r"does not say what goes with mb1\.depth 4"),
        ({"follow": {"expand_ratio": {"depth": [[2, 5]]}}}, r"mb1\.0\.expand_ratio: 5 is not a candidate"),
        ({"follow": {"expand_ratio": {"depth": [[2, 6], [3, 4], [4, 3]]}}}, "must not fall where mb1.depth rises"),
        ({"follow": {"expand_ratio": {"width": [[2, 3]]}}}, "width is no gene, nor a field of which mb1 has a gene"),
        ({"follow": {"expand_ratio": 3}}, "names one leader and its pairs"),
        ({"follow": {"kernel_size": {"mb1.3.expand_ratio": [[3, 3], [4, 5], [6, 7]]}}}, "does not act in every arch"),
        ({**COMPOFA, "choices": {"expand_ratio": [3]}}, "named in choices and in follow"),
    ],
)
def test_errors_name_the_key_and_what_is_allowed(parameters, message):
    with pytest.raises(ValueError, match=message):
        get_space("ofa_mbv3", **parameters)


def test_a_gene_with_nothing_left_is_named():
    with pytest.raises(ValueError, match=r"choices\.depth 1 leaves gene mb2\.depth none of 3, 4, 5"):
        get_space("attentive_nas", choices={"depth": [1]})


def test_slimmable_subspaces_are_ranges():
    part = get_space("us_mobilenet_v2", resolutions=(32, 48), choices={"width": [0.5, 0.75], "resolution": [48]})
    whole = get_space("us_mobilenet_v2", resolutions=(32, 48))
    assert [(a.resolution, a.width) for a in (part.smallest(), part.largest())] == [(48, 0.5), (48, 0.75)]
    assert all(whole.validate(arch) == arch for arch in part.presets.values())
    assert part.num_archs < whole.num_archs / 2
    for choices, message in [
        ({"width": [0.2, 0.5]}, "choices.width: .* is no range within"),
        ({"resolution": [40]}, "choices.resolution: .* not candidates"),
        ({"depth": [1]}, "choices takes resolution and width"),
    ]:
        with pytest.raises(ValueError, match=message):
            get_space("us_mobilenet_v2", resolutions=(32, 48), choices=choices)


def test_kernels_of_a_stage_can_be_tied():
    tied = get_space("ofa_mbv3", follow={"kernel_size": {"kernel_size": [[3, 3], [5, 5], [7, 7]]}})
    arch = tied.from_values(gene.choices[1] for gene in tied.genes)
    assert {block.kernel_size for stage in tied.network(arch).stages[1:] for block in stage} == {5}
    assert sum(gene.field == "kernel_size" for gene in tied.genes) == 5


def test_a_users_table_has_subspaces_too():
    part = get_space(table=MY_SPACE, choices={"middle.depth": [3], "head.width": 96})
    assert part.smallest().width[-1] == part.largest().width[-1] == 96
    assert part.smallest().depth == (1, 3)
