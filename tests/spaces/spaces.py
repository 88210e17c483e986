"""Spaces that every contract test runs over: the shipped tables, a user's own, subspaces, the slimmable ones."""

import yaml

from alphanet_plugin import get_space

MY_SPACE = yaml.safe_load(
    """
name: my_space
resolutions: [24, 32]
act: relu6
per_block: [expand_ratio]
stem: {width: 8, stride: 1}
stages:
- {name: low, width: [8, 16], depth: [1, 2], kernel_size: 3, expand_ratio: 1}
- {name: middle, width: 24, depth: [1, 2, 3], kernel_size: [3, 5], expand_ratio: [2, 4], stride: 2, se: true}
- {width: [32, 40], depth: 2, kernel_size: 3, expand_ratio: [2, 3], stride: 2, per_block: [width, kernel_size]}
head: {expand_ratio: 4, width: [64, 96]}
presets:
  tiny: {resolution: 24, width: [8, 32, 32, 64], depth: 1, kernel_size: 3, expand_ratio: 2}
"""
)

COMPOFA = {
    "choices": {
        "mb1.kernel_size": [3],
        "mb2.kernel_size": [5],
        "mb3.kernel_size": [3],
        "mb4.kernel_size": [3],
        "mb5.kernel_size": [5],
    },
    "follow": {"expand_ratio": {"depth": [[2, 3], [3, 4], [4, 6]]}},
}

SPACES = {
    "attentive_nas": get_space("attentive_nas"),
    "ofa_mbv3": get_space("ofa_mbv3"),
    "ofa_mbv3 x 1.2": get_space("ofa_mbv3", width_mult=1.2, resolutions=(160, 224)),
    "ofa_mbv3_cifar": get_space("ofa_mbv3_cifar"),
    "ofa_proxyless": get_space("ofa_proxyless"),
    "my_space": get_space(table=MY_SPACE),
    "kernel 7": get_space("ofa_mbv3", choices={"kernel_size": [7], "resolution": [224]}),
    "compofa": get_space("ofa_mbv3", **COMPOFA),
    "shallow": get_space("ofa_proxyless", choices={"depth": [2, 3], "mb1.0.kernel_size": 5}),
    "tied": get_space(table=MY_SPACE, follow={"middle.expand_ratio": {"middle.depth": [[1, 2], [2, 2], [3, 4]]}}),
    "us_mobilenet_v2": get_space("us_mobilenet_v2"),
    "narrow": get_space("us_mobilenet_v2", resolutions=(32, 48), choices={"width": [0.5, 0.75], "resolution": [48]}),
}
