import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from alphanet_plugin import get_space
from alphanet_plugin.errors import SearchError
from alphanet_plugin.evaluation import LatencyTable, TableConditions, TableError, latency_table
from alphanet_plugin.evaluation.latency import onnx_file
from alphanet_plugin.evaluation.network_parts import network_parts, whole_network
from alphanet_plugin.models import MobileNetwork
from alphanet_plugin.spaces import list_spaces

SPACE = get_space("attentive_nas", resolutions=(16, 20, 24, 28))
ARCHS = [SPACE.from_values(row) for row in SPACE.sample_batch(12, np.random.default_rng(0))]
HERE = TableConditions.here("cpu", 1, 10)
CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch):
    """Latencies that follow from names; what was measured, in order."""
    asked = []

    def told(name):
        return 1.0 + sum(map(ord, name)) % 97 / 10

    def measure(parts, *, device, batch, seconds):
        assert (device, batch) == ("cpu", 1)
        assert seconds > 0
        asked.extend(part.name for part in parts)
        return [told_whole(part) if part.name.startswith("network") else told(part.name) for part in parts]

    def told_whole(part):
        arch = SPACE.parse(part.name.removeprefix("network "))
        return 0.8 * sum(told(one.name) for one in network_parts(SPACE, arch, 10)) + 3.0

    monkeypatch.setattr(latency_table, "interleaved_ms", measure)
    return asked


@pytest.mark.parametrize("arch", [SPACE.smallest(), SPACE.largest(), *ARCHS[:3]], ids=lambda arch: arch.resolution)
def test_the_parts_are_those_of_the_static_network(arch):
    network = MobileNetwork(arch, 10).eval()
    parts = network_parts(SPACE, arch, 10)
    assert len(parts) == 2 + sum(arch.depth)
    blocks = [block for stage in network.blocks for block in stage.children()]
    shapes = {}
    for number, block in enumerate(blocks, start=1):
        block.register_forward_pre_hook(lambda _, given, n=number: shapes.update({n: tuple(given[0].shape[1:])}))
    network.conv_expand.register_forward_pre_hook(lambda _, given: shapes.update(head=tuple(given[0].shape[1:])))
    with torch.no_grad():
        network(torch.zeros(1, 3, arch.resolution, arch.resolution))
    sizes = [part.input_size for part in parts]
    assert sizes == [
        (3, arch.resolution, arch.resolution),
        *(shapes[n] for n in range(1, len(parts) - 1)),
        shapes["head"],
    ]


def test_parts_one_after_the_other_are_the_network():
    """Its weights, part for part, make the same logits."""
    arch = ARCHS[0]
    network = whole_network(SPACE, arch, 10).build(CPU)
    parts = [part.build(CPU) for part in network_parts(SPACE, arch, 10)]
    assert not any(module.training for part in parts for module in part.modules())
    x = images = torch.randn(2, 3, arch.resolution, arch.resolution)
    for number, part in enumerate(parts):
        part.load_state_dict(dict(_named_like(network, part, number)))
        x = part(x)
    expected = network(images)
    assert expected.isfinite().all()
    torch.testing.assert_close(x, expected)
    held = sum(p.numel() for part in parts for p in part.parameters())
    assert held == sum(p.numel() for p in network.parameters())


def _named_like(network: nn.Module, part: nn.Module, number: int):
    blocks = [block for stage in network.blocks for block in stage.children()]
    source = blocks[number - 1] if 0 < number <= len(blocks) else network
    values = source.state_dict()
    for name in part.state_dict():
        yield name, values[name]


def test_equal_parts_have_one_name_and_differing_ones_two():
    by_name = {}
    for arch in ARCHS:
        for part in network_parts(SPACE, arch, 10):
            module = part.build(torch.device("meta"))
            by_name.setdefault(part.name, set()).add((part.input_size, str(module)))
    assert all(len(found) == 1 for found in by_name.values())
    assert len({one for found in by_name.values() for one in found}) == len(by_name)


def test_nothing_is_measured_twice(tmp_path, clock):
    path = tmp_path / "latency_cpu_b1.json"
    table = LatencyTable(path, HERE)
    first = [table.latency_ms(arch) for arch in ARCHS]
    assert len(clock) == len(set(clock)) == len(table)
    again = LatencyTable(path, HERE)
    assert [again.latency_ms(arch) for arch in ARCHS] == first
    assert len(clock) == len(table)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_scale_and_offset_are_learnt_and_checked_on_others(tmp_path, clock):
    table = LatencyTable(tmp_path / "t.json", HERE)
    table.fit(ARCHS[:6])
    assert (table.scale, table.offset_ms) == (pytest.approx(0.8), pytest.approx(3.0))
    error = table.check(ARCHS[6:])
    assert error.mean < error.worst < 1e-9
    again = LatencyTable(tmp_path / "t.json", HERE)
    assert (again.scale, again.offset_ms, again.num_fitted, again.error) == (table.scale, table.offset_ms, 6, error)
    names = [name for name in clock if name.startswith("network")]
    assert names == [f"network {arch}" for arch in ARCHS]


def test_few_networks_give_a_scale_alone(clock):
    table = LatencyTable(None, HERE)
    table.fit(ARCHS[:2])
    assert table.offset_ms == 0
    assert table.scale > 0.8
    assert clock


def test_an_error_prints_as_a_sentence():
    assert str(TableError(mean=0.0312, worst=0.1, subnets=50)) == (
        "latency table against whole networks: mean 3.1 %, worst 10.0 % over 50 held-out subnets"
    )
    assert "batch 1, 10 classes on " in str(HERE)


def test_another_machines_table_tells_what_it_holds_and_names_the_machine(tmp_path, clock):
    path = tmp_path / "t.json"
    known = LatencyTable(path, HERE).latency_ms(ARCHS[0])
    elsewhere = LatencyTable(path, replace(HERE, machine="another processor"))
    assert not elsewhere.measured_here
    assert elsewhere.latency_ms(ARCHS[0]) == known
    with pytest.raises(
        SearchError, match=r"was measured with .*; here is batch 1, .*another processor.* delete the file"
    ):
        elsewhere.latency_ms(ARCHS[1])
    assert clock


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 2}, "has batch 1, not 2"),
        ({"num_classes": 9}, "has num_classes 10, not 9"),
        (None, "no latency table"),
    ],
)
def test_a_table_of_something_else_is_refused(tmp_path, clock, change, message):
    path = tmp_path / "t.json"
    LatencyTable(path, HERE).latency_ms(ARCHS[0])
    assert clock
    if change is None:
        path.write_text(json.dumps({**json.loads(path.read_text()), "parts_ms": 3}))
    with pytest.raises(SearchError, match=message):
        LatencyTable(path, replace(HERE, **(change or {})))


def test_a_measurement_is_a_positive_time_and_leaves_randomness_alone():
    state = torch.get_rng_state()
    parts = [*network_parts(SPACE, ARCHS[0], 10)[:2], whole_network(SPACE, ARCHS[0], 10)]
    times = latency_table.interleaved_ms(parts, device="cpu", batch=2, seconds=0.01, visits=2)
    assert len(times) == 3
    assert all(np.isfinite(times))
    assert min(times) > 0
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_device_is_named():
    with pytest.raises(SearchError, match="torch finds no GPU here; measure on cpu"):
        TableConditions.here("cuda", 1, 10)


@pytest.mark.parametrize("name", list_spaces())
def test_parts_of_every_space_fit_together(name):
    space = get_space(name, resolutions=(32, 40))
    arch = space.sample(np.random.default_rng(0))
    parts = network_parts(space, arch, 7)
    with torch.no_grad():
        for part, after in itertools.pairwise(parts):
            x = part.build(CPU)(torch.zeros(2, *part.input_size))
            assert tuple(x.shape[1:]) == after.input_size, part.name
        assert parts[-1].build(CPU)(x).shape == (2, 7)


def test_an_onnx_file_computes_what_the_part_does():
    onnxruntime = pytest.importorskip("onnxruntime")
    arch = ARCHS[0]
    stem, *blocks, head = network_parts(SPACE, arch, 10)
    for part in (stem, blocks[0], blocks[-1], head, whole_network(SPACE, arch, 10)):
        model, images = part.build(CPU), torch.randn(2, *part.input_size)
        session = onnxruntime.InferenceSession(onnx_file(model, part.input_size, 2))
        (found,) = session.run(None, {"images": images.numpy()})
        with torch.inference_mode():
            torch.testing.assert_close(torch.from_numpy(found), model(images), rtol=1e-4, atol=1e-4)


def test_latencies_of_onnx_files_are_of_another_table(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(latency_table, "PART_SECONDS", 1e-4)
    here = TableConditions.here("onnx", 1, 10)
    assert "onnxruntime" in str(here)
    path = tmp_path / "t.json"
    assert LatencyTable(path, here).latency_ms(SPACE.smallest()) > 0
    again = LatencyTable(path, here)
    assert again.measured_here
    assert len(again) > 10
    with pytest.raises(SearchError, match="has device onnx, not cpu"):
        LatencyTable(path, HERE)
    assert not LatencyTable(path, replace(here, runtime="onnxruntime 0.1")).measured_here
