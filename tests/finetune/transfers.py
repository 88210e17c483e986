"""Transfers of a few seconds: one small network, a few digits, and NNI's part played in this process."""

import json

import nni
import timm
from PIL import Image
from timm.models._hub import save_for_hf

from alphanet_plugin.nni_bridge.hpo import hpo_experiment, ledger_tuner
from alphanet_plugin.nni_bridge.hpo.finetune_trial import run_trial

# as a network of its own would be pretrained: with 7 classes, at 24 pixels, normalised in its own way
OWN = {
    "input_size": (3, 24, 24), "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3), "interpolation": "bilinear",
    "crop_pct": 0.9,
}  # fmt: skip
COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


def write_network(folder):
    model = timm.create_model("test_resnet", num_classes=7)
    save_for_hf(model, folder, model_config={"pretrained_cfg": OWN}, safe_serialization=True)
    return model


def write_photographs(root):
    """48 training images and 9 test images of three classes."""
    for part, count in (("train", 16), ("val", 3)):
        for name, colour in COLOURS.items():
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (40, 30), tuple(one + number for one in colour)).save(
                    root / part / name / f"{number}.png"
                )


def on_digits(network, output, *overrides):
    """The command of a transfer with an epoch of 15 steps in trials and of 22 at the end."""
    return _command(network, output, "digits", "data.hold_out=0.3", "training.epochs=1", *overrides)


def on_photographs(network, output, root, *overrides):
    """The command of one with two epochs, of 6 steps in trials and of 8 at the end, and a checkpoint every 3."""
    few = ["data.hold_out=0.25", "data.workers=0", "training.epochs=2", "training.batch_size=6"]
    return [*_command(network, output, "folder", *few, "training.save_every=3", *overrides), "--root", str(root)]


def _command(network, output, data, *overrides):
    settings = [part for one in overrides for part in ("--set", one)]
    return ["finetune", str(network), "--data", data, "--output", str(output), *settings]


class InProcess:
    """In place of `run_hpo`: the same tuner and the same trials, one after another, without NNI's manager.

    Attributes:
        asked: The settings of each call.
        stop_after: Raises KeyboardInterrupt when so many trials have begun in one call; None for never.
    """

    def __init__(self, monkeypatch):
        self.asked, self.stop_after, self.reported = [], None, []
        monkeypatch.setattr(hpo_experiment, "run_hpo", self)
        monkeypatch.setattr(nni, "report_intermediate_result", self.reported.append)

    def __call__(self, folder, ledger, settings, on_trials=None):
        self.asked.append(settings)
        tuner = ledger_tuner.LedgerTuner(ledger, settings.tuner, settings.tuner_args)
        tuner.update_search_space(settings.search_space)
        for number in range(settings.trials - len(ledger.ended())):
            given = tuner.generate_parameters(number)
            if number == self.stop_after:
                raise KeyboardInterrupt
            value = run_trial(folder.parent, given["trial"])
            tuner.receive_trial_result(number, given, json.loads(json.dumps(value)))
            if on_trials:
                on_trials(len(ledger.ended()), settings.trials)
