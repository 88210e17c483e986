"""The folder of a run."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """Where the parts of a run lie.

    Attributes:
        path: The run's folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def owner(self) -> Path:
        """Which process trains it, while one does."""
        return self.path / ".owner"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def resumptions(self) -> Path:
        """When the run went on from a checkpoint under a changed configuration; see `run_supernet`."""
        return self.path / "resumed.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def teacher(self, phase: str) -> Path:
        """The supernet as it was at the end of a phase that later ones learn from."""
        return self.path / "teachers" / phase

    @property
    def images(self) -> Path:
        """Which images train and which are held out."""
        return self.path / "images.json"

    @property
    def start(self) -> Path:
        """Which weights the training began from, in words; none for random ones."""
        return self.path / "start.txt"

    @property
    def history(self) -> Path:
        return self.path / "search.jsonl"

    @property
    def search_choice(self) -> Path:
        """By what cost and within which bounds the last search went."""
        return self.path / "search_choice.json"

    @property
    def search_predictor(self) -> Path:
        """How well the last search's predictor ranks subnets that it was not fitted on."""
        return self.path / "search_predictor.json"

    def latency_table(self, device: str, batch: int) -> Path:
        return self.path / f"latency_{device}_b{batch}.json"

    @property
    def picture(self) -> Path:
        return self.path / "pareto.png"

    @property
    def teacher_logits(self) -> Path:
        return self.path / "teacher_logits"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def curve(self) -> Path:
        """Accuracy of the smallest and the largest subnet during training."""
        return self.path / "curve.jsonl"

    @property
    def training_picture(self) -> Path:
        """Losses, learning rate, and accuracy where it was measured."""
        return self.path / "training.png"

    @property
    def gradients(self) -> Path:
        """How the gradients of the full model and of the other subnets compare, where that is asked for."""
        return self.path / "gradients.jsonl"

    @property
    def gradient_picture(self) -> Path:
        return self.path / "gradients.png"

    @property
    def cost(self) -> Path:
        """What training has cost, phase by phase."""
        return self.path / "cost.json"

    @property
    def page(self) -> Path:
        """The report, for a browser."""
        return self.path / "report.html"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"
