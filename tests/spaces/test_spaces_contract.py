"""What every space keeps, whatever its table: archs, values, costs, and what `to_config` says."""

import json
import pickle

import numpy as np
import pytest
import yaml
from spaces import SPACES

from alphanet_plugin import get_space
from alphanet_plugin.spaces import Arch, ContinuousGene
from alphanet_plugin.spaces.costs import network_cost


@pytest.fixture(params=SPACES)
def space(request):
    return SPACES[request.param]


def drawn(space, count=60, seed=0):
    return space.sample_batch(count, np.random.default_rng(seed))


def test_archs_read_back_from_everything_they_are_written_to(space):
    for arch in [*space.from_values_batch(drawn(space, 10)), space.largest(), space.smallest()]:
        again = [
            space.parse(str(arch)),
            space.validate(json.loads(json.dumps(arch.to_dict()))),
            space.validate(yaml.safe_load(yaml.safe_dump(arch.to_dict()))),
            space.validate(pickle.loads(pickle.dumps(arch))),
            space.from_values(space.values(arch)),
        ]
        assert again == [arch] * 5
        assert {(hash(one), str(one)) for one in again} == {(hash(arch), str(arch))}


def test_values_and_archs_are_two_forms_of_one(space):
    values = drawn(space)
    archs = space.from_values_batch(values)
    assert (space.values_batch(archs) == values).all()
    assert (space.canonical(values) == values).all()
    assert archs[0] == space.sample(np.random.default_rng(0)) or isinstance(space.genes[-1], ContinuousGene)


@pytest.mark.parametrize("num_classes", [0, 10])
def test_batch_equals_single_equals_blueprint(space, num_classes):
    values = drawn(space, 30)
    archs = space.from_values_batch(values)
    costs = [tuple(space.cost(arch, num_classes)) for arch in archs]
    assert [tuple(cost) for cost in space.cost_batch(values, num_classes).T.tolist()] == costs
    assert costs == [tuple(network_cost(space.network(arch), num_classes)) for arch in archs]
    assert space.mflops_batch(archs, num_classes).tolist() == [cost[0] / 1e6 for cost in costs]
    assert space.params_batch(values, num_classes).tolist() == [space.params(a, num_classes) for a in archs]


def test_costs_do_not_depend_on_how_many_archs_are_asked_for(space):
    values = drawn(space, 3)
    costs = space.cost_batch(values)
    many = space.cost_batch(np.tile(values, (14_000, 1)))
    assert (many == np.tile(costs, 14_000)).all()
    assert space.cost_batch(values[:0]).shape == (3, 0)


def test_mac_parts_sum_to_the_cost(space):
    values = drawn(space)
    places = [gene.indices(column) for gene, column in zip(space.genes, values.T, strict=True)]
    macs = np.zeros(len(values), dtype=np.int64)
    for part in space.mac_parts(10):
        row = np.zeros(len(values), dtype=np.int64)
        for gene in part.genes:
            row = row * len(space.genes[gene].choices) + places[gene]
        macs += part.macs[row]
        counted = space.canonical_choices(part.genes)
        assert counted is None or counted[row].all()  # values are canonical
    assert (macs == space.cost_batch(values, 10)[0]).all()


def test_ends_hold_every_arch(space):
    values = drawn(space, 500)
    low, high = space.mflops(space.smallest()), space.mflops(space.largest())
    mflops = space.mflops_batch(values)
    assert low <= mflops.min() <= mflops.max() <= high
    for arch in space.from_values_batch(values[:20]):
        for field, value in space.largest().items():
            assert np.all(np.asarray(arch[field]) <= np.asarray(value)), field


def test_draws_are_seeded_and_uniform_where_they_act(space):
    values = drawn(space, 4000, seed=1)
    assert (values == drawn(space, 4000, seed=1)).all()
    for column, gene in enumerate(space.genes):
        if isinstance(gene, ContinuousGene) or column in space._of_blocks:
            continue
        found, counts = np.unique(values[:, column], return_counts=True)
        assert tuple(found) == gene.choices
        expected = len(values) / len(gene.choices)
        assert np.abs(counts - expected).max() < 6 * np.sqrt(expected)


def test_space_is_rebuilt_from_its_config(space):
    for config in (json.loads(json.dumps(space.to_config())), yaml.safe_load(yaml.safe_dump(space.to_config()))):
        again = get_space(**config)
        assert (again.genes, again.places) == (space.genes, space.places)
        assert again.to_config() == space.to_config()
        assert again.network(space.largest()) == space.network(space.largest())
        assert again.presets == space.presets
    again = pickle.loads(pickle.dumps(space))
    assert (again.genes, again.to_config()) == (space.genes, space.to_config())


def test_presets_are_archs_of_the_space_smallest_first(space):
    costs = []
    for arch in space.presets.values():
        assert space.validate(arch) == arch
        costs.append(space.mflops(arch))
    assert costs == sorted(costs)


def test_num_archs_counts_networks(space):
    if space.num_archs > 3000:
        assert isinstance(space.num_archs, int)
        return
    values = drawn(space, 40 * space.num_archs)
    assert len({str(space.network(arch)) for arch in space.from_values_batch(np.unique(values, axis=0))}) == (
        space.num_archs
    )


def test_archs_that_differ_in_blocks_left_out_are_one(space):
    arch = space.smallest()
    if not space._of_blocks:
        pytest.skip("every block of this space acts, or none has genes of its own")
    row = list(space.values(arch))
    for column in space._of_blocks:
        row[column] = space.genes[column].greatest
    for other in (space.from_values(row), space.validate(Arch(fields_of(space, row)))):
        assert (other, hash(other), str(other)) == (arch, hash(arch), str(arch))
    assert (space.canonical(np.asarray([row])) == np.asarray([space.values(arch)])).all()
    assert space.mflops_batch(np.asarray([row])).tolist() == [space.mflops(arch)]


def fields_of(space, row):
    """The fields of a row of values as they stand, not made canonical."""
    fields = {}
    for place in space.places:
        entry = place.of(row[place.column])
        if place.gene.index is None:
            fields[place.gene.field] = entry
        else:
            fields.setdefault(place.gene.field, []).append(entry)
    return fields
