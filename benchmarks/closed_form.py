"""Archs a second whose multiply-adds are counted: one by one, and vectorised.

python benchmarks/closed_form.py
"""

import time

import numpy as np

from alphanet_plugin import get_space


def main() -> None:
    space = get_space("attentive_nas")
    values = space.sample_batch(500_000, np.random.default_rng(0))
    archs = [space.from_values(row) for row in values[:20_000]]
    space.mflops_batch(values[:1])

    start = time.perf_counter()
    for arch in archs:
        space.mflops(arch)
    single = len(archs) / (time.perf_counter() - start)
    start = time.perf_counter()
    space.mflops_batch(values)
    batch = len(values) / (time.perf_counter() - start)
    print(f"one by one: {single:,.0f} archs/s; vectorised: {batch:,.0f} archs/s; ratio {batch / single:.1f}")


if __name__ == "__main__":
    main()
