"""docs/nni_distill.md does what it says."""

import re
from pathlib import Path

import pytest
from distilling import ask, student, teacher, torch_evaluator

from alphanet_plugin.nni_bridge import AlphaLayerwiseDistiller

TEXT = (Path(__file__).parents[2] / "docs" / "nni_distill.md").read_text(encoding="utf-8")


def test_the_program_prints_what_it_shows(capsys):
    """But for the figures, which are one machine's."""
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    shown = re.findall(r"```text\n(.*?)```", TEXT, flags=re.DOTALL)[0]
    exec(program, {"__name__": "docs"})
    printed = capsys.readouterr().out
    assert re.sub(r"[\d.]+%", "%", printed) == re.sub(r"[\d.]+%", "%", shown)
    before, after = (float(figure) for figure in re.findall(r"([\d.]+)%", printed))
    assert before < 40
    assert after > 85


def test_the_mistake_is_answered_as_shown():
    shown = re.findall(r"```text\nValueError: (.*?)```", TEXT, flags=re.DOTALL)[0]
    entry = {"op_names": ["classifier"], "link": "fc", "apply_method": "adaptive_alpha", "alpha": 1}
    model = student()
    with pytest.raises(ValueError, match="alpha") as caught:
        AlphaLayerwiseDistiller(model, [entry], torch_evaluator(model), teacher(), ask)
    assert str(caught.value) == " ".join(shown.split())
