"""Times what every space is asked for all the time: activating an arch, extracting it, and closed-form costs.

    python benchmarks/spaces.py                                       # every shipped space
    python benchmarks/spaces.py ofa_mbv3 my_space.yaml --costs 100000

Medians over random archs, in milliseconds; and of CPU time, so that what else the machine does counts little.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch

from alphanet_plugin import get_space
from alphanet_plugin.spaces import list_spaces
from alphanet_plugin.supernet import build_supernet


def times_ms(call: Callable[[Any], object], arguments: Iterable[Any]) -> list[float]:
    """Milliseconds of CPU time of each call."""
    times = []
    for argument in arguments:
        start = time.process_time()
        call(argument)
        times.append((time.process_time() - start) * 1e3)
    return times


def measure(name: str, num_archs: int, num_costs: int) -> list[float]:
    """Milliseconds of `activate`, of `extract`, of the cost of one arch, and of the costs of `num_costs`."""
    space, rng = get_space(name), np.random.default_rng(0)
    supernet = build_supernet(space, num_classes=1000)
    archs = [space.largest(), *(space.sample(rng) for _ in range(num_archs))]  # the first one warms up
    values = space.sample_batch(num_costs, rng)
    columns = [
        *(times_ms(call, archs)[1:] for call in (supernet.activate, supernet.extract, space.mflops)),
        times_ms(space.mflops_batch, [values[:1], *[values] * 3])[1:],
    ]
    return [statistics.median(column) for column in columns]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spaces", nargs="*", default=list_spaces(), help="names, or paths of tables")
    parser.add_argument("--archs", type=int, default=100, help="archs that are activated and extracted")
    parser.add_argument("--costs", type=int, default=500_000, help="archs whose costs are computed at a time")
    args = parser.parse_args(arguments)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; milliseconds")
    print(f"{'space':20} {'activate':>9} {'extract':>9} {'one cost':>9} {f'{args.costs:,} costs':>15}")
    for name in args.spaces:
        activate, extract, one, many = measure(name, args.archs, args.costs)
        print(f"{name:20} {activate:9.2f} {extract:9.2f} {one:9.3f} {many:15.1f}", flush=True)


if __name__ == "__main__":
    main()
