"""The program with NNI of docs/own_loss.md, on fewer images."""

import re
from pathlib import Path

import pytest

from alphanet_plugin.runs.identity import trained_identity
from alphanet_plugin.training import latest_checkpoint

PAGE = Path(__file__).parents[2] / "docs/own_loss.md"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_program_trains_by_the_loss(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loss, _, program = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    for written, ours in (
        ('"image_size": 28}', '"image_size": 28, "search_count": 1389}'),  # 48 images to train on
        ('"epochs": 2, "batch_size": 64', '"epochs": 2, "batch_size": 16, "warmup_epochs": 0'),
        ("strength=2.0)", "strength=2.0), num_candidates=1"),
    ):
        assert program.count(written) == 1
        program = program.replace(written, ours)
    names = {"__name__": "mine"}
    exec(compile(loss + program, str(PAGE), "exec"), names)
    names["experiment"].stop()
    config = names["strategy"].training.config
    latest = latest_checkpoint(Path(config.output) / "checkpoints")
    assert trained_identity(config, latest)["own"]["kd_loss"] == {"name": "mine.UncertaintyWeightedKL", "strength": 2.0}
    assert names["strategy"].training.results
