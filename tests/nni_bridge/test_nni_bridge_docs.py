"""docs/nni.md does what it says."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "nni.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_program_prints_what_it_shows(tmp_path, monkeypatch, capsys):
    """But for the figures and the archs, which are one run's."""
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    exec(program, {"__name__": "docs"})
    lines = [line for line in capsys.readouterr().out.splitlines() if "resolution=" in line and "%" in line]
    assert [bool(re.fullmatch(r"[0-9.]+ % resolution=.*", line)) for line in lines] == [True, True, True, False]
    assert re.fullmatch(r"best of 12: [0-9.]+ %, resolution=.*", lines[3])
    assert float(lines[0].split()[0]) > 50  # a tenth is chance


def test_its_links_lead_somewhere():
    for target in re.findall(r"\]\(([a-z_]+\.md)\)", TEXT):
        assert (DOCS / target).is_file(), target
