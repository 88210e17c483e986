"""docs/spaces.md: its tables and its Python are as shown."""

from pathlib import Path

import pytest
import yaml

from alphanet_plugin import get_space
from alphanet_plugin.cli.main import main
from alphanet_plugin.spaces import list_spaces
from alphanet_plugin.store import list_published

DOCS = Path(__file__).parents[2] / "docs" / "spaces.md"


def blocks(language):
    parts = DOCS.read_text(encoding="utf-8").split(f"```{language}\n")[1:]
    return [part.partition("```")[0] for part in parts]


def test_the_table_is_a_space_of_some_twenty_lines(tmp_path):
    text = blocks("yaml")[0]
    assert len(text.splitlines()) <= 22
    path = tmp_path / "my_space.yaml"
    path.write_text(text)
    space = get_space(path)
    assert [space.network(arch).stages[2][0].se_channels > 0 for arch in (space.smallest(), space.largest())] == [
        True, True,
    ]  # fmt: skip
    # kernels and ratios of each acting block: 4 ways in the low stage, 6 in the high one
    assert space.num_archs == 3 * (4 + 4**2) * (6 + 6**2 + 6**3)


def test_the_subspace_is_compofas():
    config = yaml.safe_load(blocks("yaml")[2])["space"]
    assert get_space(**config, resolutions=(224,)).num_archs == 243


def test_the_python_runs(capsys):
    exec(blocks("python")[0], {})
    assert capsys.readouterr().out.startswith("resolution=224 depth=2,2,2,2,2 kernel_size=7,7")


TINY = [
    "data.search_count=1300", "training.epochs=1", "training.warmup_epochs=0", "evaluation.calibration_batches=1",
    "evaluation.search_calibration_batches=1", "evaluation.batch_size=64", "search.num_random=2",
    "search.num_parents=2", "search.num_crossovers=1", "search.num_mutations=1", "search.num_rounds=1",
    "publish.front=1",
]  # fmt: skip


def test_from_nothing_to_a_published_subnet(tmp_path, monkeypatch, capsys):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(here)
    Path("my_space.yaml").write_text(blocks("yaml")[0])
    Path("my_run.yaml").write_text(blocks("yaml")[1])
    commands = [line.split()[1:] for line in blocks("bash")[0].splitlines()]
    assert [command[0] for command in commands] == ["train", "search", "publish", "evaluate"]
    main([*commands[0], *(part for setting in TINY for part in ("--set", setting))])
    Path("my_space.yaml").unlink()  # the run keeps what it held
    for command in commands[1:]:
        main(command)
    monkeypatch.chdir(elsewhere)
    capsys.readouterr()
    exec(blocks("python")[1], loaded := {})
    model = loaded["model"]
    assert capsys.readouterr().out.strip() == str(model.arch)
    assert (model.arch.resolution, model.arch.depth, model.num_classes) == (24, (1, 1), 10)
    published = [entry for entry in list_published() if entry.architecture == "mobile_subnet"]
    assert len(published) == 2
    assert all(entry.config["model_args"]["space"]["table"]["head"]["width"] == 192 for entry in published)


@pytest.mark.parametrize("name", ["attentive_nas", "ofa_mbv3", "ofa_mbv3_cifar", "ofa_proxyless"])
def test_every_shipped_table_is_named(name):
    assert f"`{name}`" in DOCS.read_text(encoding="utf-8")
    assert name in list_spaces()
