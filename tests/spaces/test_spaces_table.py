"""A table of one's own: read from a file or a mapping, and errors that name the row, the value and what is allowed."""

import copy
import json

import pytest
import yaml
from spaces import MY_SPACE

from alphanet_plugin import get_space
from alphanet_plugin.shipped import shipped
from alphanet_plugin.spaces import list_spaces


def test_a_table_is_read_from_its_file_and_carried_by_the_config(tmp_path):
    path = tmp_path / "named_by_file.yaml"
    values = {key: value for key, value in MY_SPACE.items() if key != "name"}
    path.write_text(yaml.safe_dump(values))
    space = get_space(path)
    assert space.name == "named_by_file"
    assert get_space(str(path)).genes == get_space(table=path).genes == space.genes
    config = json.loads(json.dumps(space.to_config()))
    path.unlink()
    again = get_space(**config)
    assert (again.name, again.genes, again.to_config()) == (space.name, space.genes, space.to_config())


def test_fields_are_those_that_have_candidates():
    space = get_space(table=MY_SPACE)
    assert [gene.name for gene in space.genes] == [
        "resolution", "low.width", "stage3.0.width", "stage3.1.width", "head.width", "low.depth", "middle.depth",
        "middle.kernel_size", "middle.0.expand_ratio", "middle.1.expand_ratio", "middle.2.expand_ratio",
        "stage3.expand_ratio",
    ]  # fmt: skip
    spec = space.network(space.largest())
    assert [[block.out_channels for block in stage] for stage in spec.stages] == [[16, 16], [24] * 3, [40, 40]]
    assert (spec.stem_stride, spec.head_act, spec.expand_channels, spec.head_channels) == (1, "relu6", 160, 96)
    assert all(block.projects for stage in spec.stages for block in stage)


def test_shipped_tables_are_found_by_name_and_by_path():
    files = sorted(path.stem for path in shipped("configs/spaces").glob("*.yaml"))
    assert {"attentive_nas", "ofa_mbv3", "ofa_mbv3_cifar", "ofa_proxyless"} <= set(files) <= set(list_spaces())
    by_path = get_space("configs/spaces/ofa_mbv3.yaml")
    assert by_path.to_config() == get_space("ofa_mbv3").to_config()
    assert "table" not in by_path.to_config()


def test_a_single_elastic_stage_has_archs_that_read_back():
    values = {**MY_SPACE, "stages": [{"width": 8, "depth": [1, 2], "kernel_size": 3, "expand_ratio": 2}]}
    values.pop("presets")
    space = get_space(table=values)
    assert space.largest().depth == (2,)
    assert space.parse(str(space.largest())) == space.largest()


def changed(**keys):
    values = copy.deepcopy(MY_SPACE)
    for path, value in keys.items():
        *parents, last = path.split("__")
        place = values
        for parent in parents:
            place = place[int(parent) if parent.isdigit() else parent]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return values


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (changed(stages__1__kernel_size=[3, 4]), r"row 2 of stages \(middle\): kernel_size .* odd numbers .* \[3, 4\]"),
        (changed(stages__1__depth=[3, 2]), r"row 2 of stages \(middle\): depth .* ascending .* \[3, 2\]"),
        (
            changed(stages__2__width=0),
            r"row 3 of stages \(stage3\): width .* whole numbers of 1 or more, up to 100,000, not 0",
        ),
        (changed(stages__2__width=10**9), r"width .* up to 100,000, not 1000000000"),
        (changed(stages__2__depth=101), r"row 3 of stages \(stage3\): depth is at most 100 blocks, not 101"),
        (changed(stages__0__stride=3), r"row 1 of stages \(low\): stride is one of 1, 2, not 3"),
        (changed(stages__0__se="yes"), r"row 1 of stages \(low\): se is one of False, True, not 'yes'"),
        (changed(stages__0__expand_ratio=[1, 2]), r"row 1 of stages \(low\): expand_ratio \[1, 2\] mixes 1"),
        (changed(stages__0__kernel=3), r"row 1 of stages \(low\): kernel is no key; did you mean 'kernel_size'"),
        (changed(stages__0__width=None), r"row 1 of stages \(low\): width is missing"),
        (changed(stages__0__name="head"), "a stage is called 'head'; take another name"),
        (changed(stages__1__per_block=["depth"]), r"per_block is one of width, kernel_size, expand_ratio, not 'depth'"),
        (changed(stages=[]), "stages holds a list of at least one stage"),
        (changed(stem__stride=4), "table my_space: stem: stride is one of 1, 2, not 4"),
        (changed(head__expand_width=64), "head: give expand_width or expand_ratio, not both"),
        (changed(act="gelu"), "act is one of silu, relu, relu6, hard_swish, not 'gelu'"),
        (changed(shortcut="pool"), "shortcut is one of project, identity, not 'pool'"),
        (changed(norm_eps=0), "norm_eps is a number above 0, not 0"),
        (changed(width_mult="wide"), "width_mult is a number above 0, not 'wide'"),
        (changed(resolutions=[32, 24]), "table my_space: resolutions are ascending whole numbers"),
        (changed(presets__tiny__depth=5), r"preset tiny: gene low\.depth: 5 is not a candidate"),
        (changed(presets__tiny__resolution=40), "preset tiny: gene resolution: 40 is not a candidate"),
        (changed(presets__tiny__kernal=3), "preset tiny: .* 'kernal'"),
        (changed(name="ofa_mbv3"), "a space of this package has that name"),
        (changed(stem=None), "table my_space: stem is missing"),
        ([1], r"holds keys and values, not \[1\]"),
    ],
)
def test_errors_name_row_value_and_what_is_allowed(table, message, tmp_path):
    path = tmp_path / "my_space.yaml"
    path.write_text(yaml.safe_dump(table))
    with pytest.raises(ValueError, match=message):
        get_space(path)


LONG = list(range(5000))


@pytest.mark.parametrize(
    "arguments",
    [
        {"table": changed(stages__1__kernel_size=LONG)},
        {"table": changed(stages=dict.fromkeys(LONG))},
        {"table": changed(stem=LONG)},
        {"table": changed(act="x" * 5000)},
        {"table": changed(resolutions=["x"] * 5000)},
        {"table": changed(norm_eps=LONG)},
        {"name": "ofa_mbv3", "choices": {"depth": ["x"] * 5000}},
        {"name": "ofa_mbv3", "choices": LONG},
        {"name": "ofa_mbv3", "follow": LONG},
        {"name": "ofa_mbv3", "follow": {"expand_ratio": LONG}},
        {"name": "us_mobilenet_v2", "choices": LONG},
        {"name": "us_mobilenet_v2", "choices": {"resolution": LONG}},
    ],
)
def test_errors_abbreviate_values(arguments):
    with pytest.raises(ValueError, match=r"not |candidate") as error:
        get_space(**arguments)
    assert len(str(error.value)) < 400


def test_a_number_may_be_written_as_people_write_it(tmp_path):
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(changed()) + "norm_eps: 1e-3\n")
    assert get_space(tmp_path / "own.yaml").network(get_space(tmp_path / "own.yaml").largest()).norm_eps == 1e-3


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match=r"there is no|cannot be read"):
        get_space(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ValueError, match="is not valid YAML"):
        get_space(tmp_path / "bad.yaml")
    with pytest.raises(ValueError, match=r"search space 'ofa_mbv3' takes .*, not widths"):
        get_space("ofa_mbv3", widths=(1, 2))
