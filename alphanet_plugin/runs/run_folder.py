"""The folder of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class Part:
    """A file or folder of a known name in the folder whose class has it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, folder: RunFolder, kind: type[RunFolder] | None = None) -> Path:
        return folder.path / self.name


@dataclass(frozen=True)
class RunFolder:
    """Where the parts of a run lie.

    Attributes:
        path: The run's folder.
    """

    path: Path

    config = Part("config.yaml")
    owner = Part(".owner")  # which process trains it, while one does
    log = Part("log.jsonl")
    # when the run went on from a checkpoint under a changed configuration; see `run_supernet`
    resumptions = Part("resumed.jsonl")
    checkpoints = Part("checkpoints")

    def teacher(self, phase: str) -> Path:
        """The supernet as it was at the end of a phase that later ones learn from."""
        return self.path / "teachers" / phase

    images = Part("images.json")  # which images train and which are held out
    start = Part("start.txt")  # which weights the training began from, in words; none for random ones
    history = Part("search.jsonl")
    search_choice = Part("search_choice.json")  # by what cost and within which bounds the last search went
    # how well the last search's predictor ranks subnets that it was not fitted on
    search_predictor = Part("search_predictor.json")

    def latency_table(self, device: str, batch: int) -> Path:
        return self.path / f"latency_{device}_b{batch}.json"

    picture = Part("pareto.png")
    teacher_logits = Part("teacher_logits")
    model = Part("model")
    curve = Part("curve.jsonl")  # accuracy of the smallest and the largest subnet during training
    training_picture = Part("training.png")  # losses, learning rate, and accuracy where it was measured
    # how the gradients of the full model and of the other subnets compare, where that is asked for
    gradients = Part("gradients.jsonl")
    gradient_picture = Part("gradients.png")
    cost = Part("cost.json")  # what training has cost, phase by phase
    page = Part("report.html")  # the report, for a browser
    metrics = Part("metrics.json")
