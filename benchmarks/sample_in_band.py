"""Archs a second drawn from bands of MFLOPs: by counting, and by rejection.

Counting's are Arch objects; rejection's, vectorised too, are left as bare values.

python benchmarks/sample_in_band.py
"""

import time

import numpy as np

from alphanet_plugin import get_space
from alphanet_plugin.samplers import CostChain, sample_in_band

BANDS = [(200, 210, 1_000), (400, 410, 10_000), (600, 610, 10_000), (1000, 1010, 10_000)]
REJECTED = 200_000


def main() -> None:
    space = get_space("attentive_nas")
    start = time.perf_counter()
    sample_in_band(space, *BANDS[0], np.random.default_rng(0))
    print(f"the first {BANDS[0][2]:,} archs, everything built: {time.perf_counter() - start:.2f} s")
    start = time.perf_counter()
    chain = CostChain(space)
    print(f"counting alone: {time.perf_counter() - start:.2f} s, steps of {chain.step / 1e6:.3f} MFLOPs")

    start = time.perf_counter()
    mflops = space.mflops_batch(space.sample_batch(REJECTED, np.random.default_rng(0)))
    rejecting = time.perf_counter() - start
    for low, high, n in BANDS:
        start = time.perf_counter()
        sample_in_band(space, low, high, n, np.random.default_rng(0))
        counted = n / (time.perf_counter() - start)
        kept = int(((mflops >= low) & (mflops <= high)).sum())
        rejected = kept / rejecting
        ratio = f"ratio {counted / rejected:,.0f}" if kept else "no ratio"
        print(
            f"{low} to {high} MFLOPs: {counted:,.0f} archs/s; "
            f"rejection keeps {kept} of {REJECTED:,}, {rejected:,.0f} archs/s; {ratio}"
        )


if __name__ == "__main__":
    main()
