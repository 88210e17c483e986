"""Stand-ins for the released once-for-all supernets, and what the released program computed with them."""

import json
from functools import cache
from pathlib import Path

import stand_in_weights
import torch
from safetensors import safe_open

from alphanet_plugin import get_space
from alphanet_plugin.supernet import build_supernet

DATA = Path(__file__).parent
SPACES = {"mbv3": get_space("ofa_mbv3"), "proxyless": get_space("ofa_proxyless")}
with safe_open(DATA / "once_for_all_logits.safetensors", "pt") as golden_file:
    FACTS = {name: json.loads(text) for name, text in sorted(golden_file.metadata().items())}


def golden(name):
    with safe_open(DATA / "once_for_all_logits.safetensors", "pt") as file:
        return file.get_tensor(name).double()


@cache
def checkpoint(kind):
    """The entries of a released supernet, by the names that they have in memory, in float64."""
    state = {}
    for name, shape in json.loads((DATA / f"ofa_{kind}_checkpoint_shapes.json").read_text()).items():
        value = torch.from_numpy(stand_in_weights.tensor(name, tuple(shape)))
        state[name] = value.double() if value.is_floating_point() else value
        if name.endswith("_matrix"):
            state[name] = torch.eye(shape[0], dtype=torch.float64) + 0.1 * state[name]
    return state


def as_released(state):
    """The same by the names of the released files."""
    return {name.replace(".conv.", ".mobile_inverted_conv.", 1) if name.startswith("blocks") else name: tensor
            for name, tensor in state.items()}  # fmt: skip


def as_teacher(state):
    """The same by the names of the released static networks, which have no matrices."""
    names = {name: name.replace(".bn.bn.", ".bn.").replace(".conv.conv.", ".conv.") for name in as_released(state)}
    released = as_released(state)
    return {short: released[name] for name, short in names.items() if not name.endswith("_matrix")}


def arch_of(kind, facts, resolution=224):
    space = SPACES[kind]
    lengths = {"kernel_size": 20 + (kind == "proxyless"), "expand_ratio": 20 + (kind == "proxyless"), "depth": 5}
    given = {"kernel_size": facts["ks"], "expand_ratio": facts["e"], "depth": facts["d"]}
    return space.arch(
        resolution=resolution,
        **{field: value if isinstance(value, list) else [value] * lengths[field] for field, value in given.items()},
    )


def images(seed, batch, size):
    return torch.from_numpy(stand_in_weights.images(seed, batch, size)).double()


def stand_in_supernet(kind, state):
    net = build_supernet(SPACES[kind], num_classes=1000, resize_input=False, kernel_transform=True).double()
    net.load_state_dict(state)
    return net
