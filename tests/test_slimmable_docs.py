"""docs/slimmable.md does what it says."""

import re
import shlex
from pathlib import Path

import pytest

from alphanet_plugin import get_space
from alphanet_plugin.cli.main import build_parser
from alphanet_plugin.models import named_arch
from alphanet_plugin.runs import read_config

TEXT = (Path(__file__).parents[1] / "docs" / "slimmable.md").read_text(encoding="utf-8")
(PROGRAM,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
(COMMANDS,) = re.findall(r"```bash\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("command", COMMANDS.splitlines())
def test_commands_are_understood(command):
    name, *words = shlex.split(command)
    assert name == "alphanet"
    arguments = build_parser().parse_args(words)
    if getattr(arguments, "config", None):
        config = read_config(arguments.config, arguments.overrides)
        assert config.output == "runs/us_mobilenet_v2_digits"
        assert config.space.resolutions == (24,)
    if getattr(arguments, "arch", None):
        named_arch(arguments.arch, get_space("us_mobilenet_v2", resolutions=(24,)))


def test_the_program_runs(capsys):
    exec(PROGRAM, {"__name__": "docs"})
    printed = capsys.readouterr().out
    assert printed.startswith("resolution=224 width=0.42 ")
    assert "'0.25x'" in printed


def test_figures_of_the_table():
    rows = re.findall(r"\| `(\w+)` \| .*? \| ([\d.]+) to (\d) \| (\d+) \| (\d+) M to (\d+) M \|", TEXT)
    assert len(rows) == 2
    for name, low, high, count, least, greatest in rows:
        space = get_space(name)
        ends = [round(space.mflops(arch)) for arch in (space.smallest(), space.largest())]
        assert (space.widths, space.num_archs, ends) == (
            (float(low), float(high)), int(count), [int(least), int(greatest)],
        )  # fmt: skip
