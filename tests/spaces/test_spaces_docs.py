"""docs/spaces.md: its tables and its Python are as shown."""

from pathlib import Path

import pytest
import yaml

from alphanet_plugin import get_space
from alphanet_plugin.spaces import list_spaces

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
    config = yaml.safe_load(blocks("yaml")[1])["space"]
    assert get_space(**config, resolutions=(224,)).num_archs == 243


def test_the_python_runs(capsys):
    exec(blocks("python")[0], {})
    assert capsys.readouterr().out.startswith("resolution=224 depth=2,2,2,2,2 kernel_size=7,7")


@pytest.mark.parametrize("name", ["attentive_nas", "ofa_mbv3", "ofa_mbv3_cifar", "ofa_proxyless"])
def test_every_shipped_table_is_named(name):
    assert f"`{name}`" in DOCS.read_text(encoding="utf-8")
    assert name in list_spaces()
