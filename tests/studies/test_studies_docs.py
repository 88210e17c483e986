"""docs/studies.md names what there is."""

import re
import shlex
from pathlib import Path

import pytest

from alphanet_plugin.cli.main import build_parser
from alphanet_plugin.config import StudyConfig, read_config
from alphanet_plugin.shipped import shipped_config
from alphanet_plugin.studies import Study

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "studies.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^alphanet study .*$", "\n".join(re.findall(r"```bash\n(.*?)```", TEXT, flags=re.DOTALL)), re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command):
    arguments = build_parser().parse_args(shlex.split(command)[1:])
    assert Study(read_config(StudyConfig, shipped_config(arguments.file), arguments.overrides)).cells


def test_keys_and_files_that_it_names_exist():
    assert COMMANDS
    for name in re.findall(r"configs/studies/\w+\.yaml", TEXT):
        assert shipped_config(name).is_file(), name
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT):
        assert (DOCS / target).is_file(), target
    keys = (
        "groups",
        "arms",
        "baseline",
        "seeds",
        "measure",
        "random_subnets",
        "search",
        "curve_epochs",
        "pictures",
        "launch",
    )
    for key in keys:
        assert f"`{key}`" in TEXT or f"`{key}:" in TEXT, key
        assert key in StudyConfig.__dataclass_fields__
