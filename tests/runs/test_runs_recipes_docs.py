"""docs/recipes.md: its commands, its YAML and its table are as shown."""

import re
import shlex
from pathlib import Path

import pytest

from alphanet_plugin.cli.main import build_parser
from alphanet_plugin.config import PhaseConfig, list_recipes
from alphanet_plugin.runs import build_timeline, read_config

TEXT = (Path(__file__).parents[2] / "docs/recipes.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", TEXT, flags=re.DOTALL) for line in block.splitlines()]


PHASES = {"deps": ["full", "shrink"], "bignas": ["train"]}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command):
    arguments = build_parser().parse_args(shlex.split(command)[1:])
    if arguments.verb == "train":
        config = read_config(arguments.config, [f"recipe={arguments.recipe}", *arguments.overrides])
        assert [phase.name for phase in build_timeline(config, 50).phases] == PHASES[arguments.recipe]
        assert (config.kd.name, config.output) == ("kl", f"runs/{arguments.recipe}"), "as the recipe, and as said below"


def test_the_phases_are_a_run(tmp_path):
    file = tmp_path / "mine.yaml"
    (text,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    file.write_text(text)
    timeline = build_timeline(read_config(file), 100)
    full, shrink = timeline.phases
    assert (full.steps, shrink.steps) == (range(200), range(200, 1000))
    assert (shrink.scale(200), shrink.scale(279), shrink.scale(280)) == (0.001, 1.0, 1.0)
    assert timeline.lr(49) == pytest.approx(0.05)


def test_every_recipe_and_every_key_is_in_it():
    rows = re.findall(r"^\| `(\w+)` \|", TEXT, flags=re.MULTILINE)
    assert set(list_recipes()) <= set(rows)
    missing = [key for key in PhaseConfig.__dataclass_fields__ if key != "name" and f"`{key}`" not in TEXT]
    assert not missing


def test_published_epochs():
    for name, epochs in re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|$", TEXT, flags=re.MULTILINE):
        assert read_config(name).training.epochs == int(epochs)
