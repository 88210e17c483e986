"""Pages of made-up runs, for tests."""

import math

from alphanet_plugin.report import PageModel, PagePhase, PageRun, PageSubnet, PageTable, write_page

LOAD = 'from alphanet_plugin.runs import open_run\nrun = open_run("/runs/one")\nmodel = run.subnet({arch})'


def page_run(name="one", *, lift=0.0, **changes):
    subnets = [
        PageSubnet(
            arch=f"resolution={24 + 8 * (n % 3)} width=16,{16 + n}",
            mflops=20.0 + 3 * n,
            params=1_000_000 + 40_000 * n,
            top1=lift + 90 + 4 * math.log1p(n) / math.log(40) - (n * 7919 % 13) / 10,
            latency_ms=1 + n / 10,
            preset={0: "a0", 20: "a4"}.get(n, ""),
            published="alphanet_a4.mine" if n == 20 else "",
        )
        for n in range(40)
    ]
    curve = [
        {"epoch": n / 10, "loss": 3 / (1 + n / 20), "kd_loss": math.nan if n < 40 else 1 / n, "lr": 0.1 * (1 - n / 100)}
        for n in range(1, 100)
    ]
    values = {
        "subnets": subnets,
        "curve": curve,
        "measured": [{"epoch": n, "smallest": 60 + 3 * n, "largest": 70 + 3 * n} for n in range(1, 10)],
        "phases": [PagePhase(name="full", begin=0.0, end=4.0), PagePhase(name="shrink", begin=4.0, end=9.9)],
        "published": [PageModel(name="alphanet_a4.mine", mflops=80.0, params=1_800_000, top1=93.5)],
        "cost": [{"phase": "full", "steps": "100"}, {"phase": "shrink", "steps": "1,400"}],
        "machine": {"name": "a processor", "cores": 2},
        "config": "output: runs/one\nkd: {name: '</script><b>'}\n",
        **changes,
    }
    return PageRun(name=name, series=name, load=LOAD, **values)


def write(path, *names, title="one"):
    runs = [page_run(name, lift=number) for number, name in enumerate(names or ["one"])]
    table = PageTable(title="Accuracy and cost", rows=[["run", "smallest (%)"], ["one", "90.00"]])
    return write_page(runs, path, title=title, subtitle="trained on digits", tables=[table])
