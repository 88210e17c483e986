"""multiply-adds, parameters and latency of an arch

alphanet profile a4
alphanet profile 'resolution=192 width=16,16,24,...' --classes 10 --latency --batch 16
alphanet profile 0.50x --space us_mobilenet_v2
alphanet profile 'resolution=224 width=0.42' --space us_mobilenet_v1"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..spaces import Arch, SearchSpace, get_space
from .progress import say

if TYPE_CHECKING:
    from ..evaluation import Latency


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("arch", help="a preset, largest, smallest, a YAML file, or the printed form")
    parser.add_argument("--space", default="attentive_nas", help="search space (default: attentive_nas)")
    parser.add_argument("--resolutions", metavar="A,B,...", help="of the space, such as 32,40,48,56")
    parser.add_argument("--classes", type=int, default=1000, help="outputs of the classifier (default: 1000)")
    parser.add_argument("--latency", action="store_true", help="also measure a forward pass on this machine")
    parser.add_argument("--batch", type=int, default=1, help="images of the measured forward pass (default: 1)")
    parser.add_argument("--device", default="cpu", help="where to measure, such as cuda")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> None:
    from ..models import named_arch

    if arguments.classes < 1 or arguments.batch < 1:
        raise ValueError(f"--classes and --batch must be at least 1, not {arguments.classes} and {arguments.batch}")
    space = _space(arguments)
    arch = named_arch(arguments.arch, space)
    classes = arguments.classes
    if arguments.json:
        print(json.dumps(_figures(space, arch, arguments)))
        return
    print(f"arch        {arch}")
    print(f"MFLOPs      {space.mflops(arch, classes):,.3f} (multiply-adds / 1e6)")
    print(f"parameters  {space.params(arch, classes, idle_shortcuts=False):,}")
    if space.cost(arch, classes).idle_params:
        print(f"published   {space.params(arch, classes):,} parameters, counting shortcut kernels that nothing uses")
    if arguments.latency:
        print(f"latency     {_latency(space, arch, arguments)}")


def _figures(space: SearchSpace, arch: Arch, arguments: argparse.Namespace) -> dict[str, Any]:
    """What the lines say, as JSON holds it; latency in ms."""
    classes = arguments.classes
    figures = {
        "arch": arch.to_dict(),
        "mflops": space.mflops(arch, classes),
        "params": space.params(arch, classes, idle_shortcuts=False),
        "published_params": space.params(arch, classes),
    }
    return {**figures, "latency": asdict(_latency(space, arch, arguments))} if arguments.latency else figures


def _space(arguments: argparse.Namespace) -> SearchSpace:
    if not arguments.resolutions:
        return get_space(arguments.space)
    try:
        sides = tuple(int(side) for side in arguments.resolutions.split(","))
    except ValueError:
        raise ValueError(f"--resolutions takes whole numbers like 32,40,48,56, not {arguments.resolutions!r}") from None
    return get_space(arguments.space, resolutions=sides)


def _latency(space: SearchSpace, arch: Arch, arguments: argparse.Namespace) -> Latency:
    from ..evaluation import measure_latency
    from ..models import build_static

    say(f"measuring a forward of {arguments.batch} on {arguments.device} ...")
    model = build_static(space, arch, num_classes=arguments.classes).to(arguments.device)
    return measure_latency(model, (3, arch.resolution, arch.resolution), batch=arguments.batch)
