"""docs/finetune.md says what there is."""

import re
import shlex
from pathlib import Path

import pytest

from alphanet_plugin.cli.finetune import read_finetune_config
from alphanet_plugin.cli.main import build_parser
from alphanet_plugin.config import FinetuneConfig, read_config
from alphanet_plugin.shipped import shipped

TEXT = (Path(__file__).parents[2] / "docs/finetune.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"```bash\n(.*?)```", TEXT, flags=re.DOTALL) for line in block.splitlines() if line
]
ROWS = re.findall(r"^\| `(\w+)` \| `(configs/finetune/\w+\.yaml)` \| (.*?) \| (.*?) \|$", TEXT, flags=re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command):
    config = read_finetune_config(build_parser().parse_args(shlex.split(command)[1:]))
    assert config.output.startswith("runs/finetune/")


def test_the_table_is_that_of_the_files():
    assert sorted(path for _, path, _, _ in ROWS) == sorted(
        f"configs/finetune/{path.name}" for path in shipped("configs/finetune").glob("*.yaml")
    )
    for data, path, reads, published in ROWS:
        assert Path(path).stem == data
        name = read_config(FinetuneConfig, shipped(path)).data.name
        assert name in reads or name in ("digits", "folder")
        figures = published.split(", ") if published else []
        head = shipped(path).read_text().partition("output:")[0]
        assert re.findall(r"\d\d\.\d", head) == figures  # as the file quotes them
