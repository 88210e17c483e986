"""How far the latency table of `alphanet search --latency` is from whole networks that it was not made from.

    python benchmarks/latency_table.py                                        # 192 to 288 pixels, batch 1, CPU
    python benchmarks/latency_table.py --resolutions 32 40 48 56 --classes 10 --threads 1
    python benchmarks/latency_table.py --device cuda --batch 32
    python benchmarks/latency_table.py --device onnx                         # by onnxruntime

The table sums the medians of parts measured alone, scaled by what other whole networks say. Held-out networks are
measured twice, one pass after the other: the difference between the passes is the floor below which no table can be
shown to be.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import torch

from alphanet_plugin import get_space
from alphanet_plugin.evaluation import LatencyTable, TableConditions


def percent(errors: np.ndarray) -> str:
    return f"mean {100 * errors.mean():.1f} %, worst {100 * errors.max():.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resolutions", nargs="+", type=int, default=[192, 224, 256, 288])
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--device", choices=("cpu", "cuda", "onnx"), default="cpu")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--held-out", type=int, default=50, help="networks that the table is compared with")
    parser.add_argument("--fitted", type=int, default=10, help="networks that scale and offset are learnt from")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    space = get_space("attentive_nas", resolutions=tuple(args.resolutions))
    rng = np.random.default_rng(0)
    drawn = dict.fromkeys(space.from_values(row) for row in space.sample_batch(args.fitted + args.held_out, rng))
    ends = [space.smallest(), space.largest()]
    archs = [arch for arch in drawn if arch not in ends]
    fitted, held_out = [*ends, *archs[: args.fitted - 2]], archs[args.fitted - 2 :][: args.held_out]

    table = LatencyTable(None, TableConditions.here(args.device, args.batch, args.classes))
    print(f"{table.conditions}, resolutions {args.resolutions}, load {os.getloadavg()[0]:.1f}", flush=True)
    start = time.perf_counter()
    table.measure([*fitted, *held_out])
    print(f"{len(table)} parts in {time.perf_counter() - start:.0f} s", flush=True)
    sums = np.asarray([table.latency_ms(arch) for arch in held_out])
    table.fit(fitted)
    print(f"latency = {table.scale:.3f} x sum of the parts + {table.offset_ms:.3f} ms, from {len(fitted)} networks")
    first, second = table.whole_ms(held_out), table.whole_ms(held_out)
    told = np.asarray([table.latency_ms(arch) for arch in held_out])
    wholes = (first + second) / 2
    print(f"{len(held_out)} held-out networks of {wholes.min():.2f} to {wholes.max():.2f} ms")
    print(f"table against whole networks: {percent(np.abs(told / wholes - 1))}")
    print(f"against the first pass alone: {percent(np.abs(told / first - 1))}")
    print(f"without scale and offset:     {percent(np.abs(sums / wholes - 1))}")
    print(f"second pass against first:    {percent(np.abs(second / first - 1))}")
    print(f"correlation {np.corrcoef(told, wholes)[0, 1]:.3f}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
