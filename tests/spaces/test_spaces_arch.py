"""`Arch`: immutable, hashable, and read back from everything it is written to."""

import copy
import json
import pickle

import pytest
import yaml

from alphanet_plugin import get_space
from alphanet_plugin.spaces import Arch

ARCH = get_space("attentive_nas").presets["a4"]


@pytest.mark.parametrize(
    "read_back",
    [
        lambda arch: Arch.parse(str(arch)),
        lambda arch: Arch.parse(repr(arch)),
        lambda arch: Arch(json.loads(json.dumps(arch.to_dict()))),
        lambda arch: Arch(yaml.safe_load(yaml.safe_dump(arch.to_dict(), sort_keys=False))),
        lambda arch: pickle.loads(pickle.dumps(arch)),
        copy.deepcopy,
    ],
    ids=["str", "repr", "json", "yaml", "pickle", "deepcopy"],
)
def test_read_back(read_back):
    again = read_back(ARCH)
    assert again == ARCH
    assert hash(again) == hash(ARCH)
    assert str(again) == str(ARCH)


def test_mapping_and_attributes():
    assert ARCH["depth"] == ARCH.depth == (1, 3, 3, 4, 3, 5, 1)
    assert list(ARCH) == ["resolution", "width", "depth", "kernel_size", "expand_ratio"]
    with pytest.raises(AttributeError, match="no field 'height'; it has resolution"):
        _ = ARCH.height


def test_immutable():
    with pytest.raises(AttributeError, match="immutable"):
        ARCH.depth = (1,)
    with pytest.raises(TypeError):
        ARCH["depth"] = (1,)


@pytest.mark.parametrize("text", ["", "resolution", "resolution=x", "depth=1,,2", "resolution 192"])
def test_unreadable_printed_forms(text):
    with pytest.raises(ValueError, match="reads like 'resolution=192"):
        Arch.parse(text)


def test_order_of_fields_does_not_matter():
    other = Arch(dict(reversed(ARCH.to_dict().items())))
    assert other == ARCH
    assert hash(other) == hash(ARCH)
    assert get_space("attentive_nas").validate(other) == ARCH
