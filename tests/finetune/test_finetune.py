"""`alphanet finetune` on digits: searched, trained on all, tested, loaded; and gone on with wherever it stopped."""

import json
import sys

import numpy as np
import pytest
import timm
import torch
import transfers
from PIL import Image
from transfers import OWN, InProcess, on_digits, on_photographs

from alphanet_plugin.cli.finetune import read_finetune_config
from alphanet_plugin.cli.main import build_parser, main
from alphanet_plugin.config import (
    FinetuneConfig,
    FinetuneDataConfig,
    FinetuneModelConfig,
    NetworkRunConfig,
    read_config,
)
from alphanet_plugin.data import build_splits
from alphanet_plugin.errors import NonFiniteLossError
from alphanet_plugin.nni_bridge.hpo.finetune_trial import run_trial
from alphanet_plugin.nni_bridge.hpo.transfer import best_trial
from alphanet_plugin.nni_bridge.hpo.trial_ledger import TrialLedger
from alphanet_plugin.runs import image_form, network_run_of, write_run_config
from alphanet_plugin.training import Trainer


@pytest.fixture(scope="module")
def done(network, tmp_path_factory):
    """The folder of a transfer with two trials, and what was asked of NNI."""
    with pytest.MonkeyPatch.context() as patch:
        search = InProcess(patch)
        output = tmp_path_factory.mktemp("transfer") / "out"
        assert main([*on_digits(network, output), "--trials", "2"]) == 0
    return output, search


def results(output):
    return json.loads((output / "results.json").read_text())


def test_the_best_pair_is_trained_on_all_and_tested(done):
    output, _ = done
    found = results(output)
    assert [trial["trial"] for trial in found["trials"]] == [0, 1]
    best = max(found["trials"], key=lambda trial: trial["top1"])
    assert found["best"] == best
    assert (found["final"]["lr"], found["final"]["weight_decay"]) == (best["lr"], best["weight_decay"])
    run = read_config(NetworkRunConfig, output / "final/config.yaml")
    assert (run.training.lr, run.data.search_count) == (best["lr"], 0)
    assert found["final"]["test_count"] == 360
    assert "search_top1" not in found["final"]  # nothing was held out
    with Image.open(output / "trials.png") as picture:
        assert picture.size == (1200, 800)


def test_trials_hold_the_share_out_and_do_not_see_the_test_images(done):
    output, _ = done
    for number in (0, 1):
        run = read_config(NetworkRunConfig, output / f"trials/{number:04d}/config.yaml")
        assert run.data.search_fraction == 0.3
        result = TrialLedger(output / "trials")[number].result
        assert result["count"] == round(0.3 * 1437)
        assert not any("test" in key for key in result)
        assert not (output / f"trials/{number:04d}/checkpoints").exists()


def test_the_images_are_as_the_network_wants_them(done):
    output, _ = done
    data = read_config(NetworkRunConfig, output / "final/config.yaml").data
    assert (data.image_size, data.mean, data.std) == (24, OWN["mean"], OWN["std"])
    assert read_config(NetworkRunConfig, output / "final/config.yaml").model.drop_rate == 0.5


def test_timm_loads_the_result_and_measures_what_was_reported(done):
    output, _ = done
    model = timm.create_model(f"local-dir:{output}/final/model", pretrained=True).eval()
    cfg = timm.data.resolve_model_data_config(model)
    assert (model.num_classes, tuple(cfg["mean"]), cfg["input_size"]) == (10, OWN["mean"], (3, 24, 24))
    test = build_splits("digits", image_size=24, mean=cfg["mean"], std=cfg["std"]).test
    images, labels = zip(*(test[place] for place in range(len(test))), strict=True)
    with torch.inference_mode():
        hits = model(torch.stack(images)).argmax(dim=1).numpy() == np.asarray(labels)
    assert 100 * hits.mean() == pytest.approx(results(output)["final"]["test_top1"])


def test_what_nni_is_asked_for(done):
    _, search = done
    (settings,) = search.asked
    assert settings.search_space["lr"] == {"_type": "loguniform", "_value": [0.0001, 0.1]}
    assert (settings.trials, settings.tuner, settings.assessor) == (2, "TPE", None)
    assert "alphanet_plugin.nni_bridge.hpo.finetune_trial" in settings.command
    assert [report["trial"] for report in search.reported] == [0, 1]  # one epoch each


def test_a_finished_transfer_is_not_done_again(done, network, in_process, monkeypatch, capsys):
    output, _ = done
    monkeypatch.setattr(Trainer, "run", not_again)
    before = results(output)
    assert main([*on_digits(network, output), "--trials", "2"]) == 0
    assert not in_process.asked
    assert results(output) == before
    out, err = capsys.readouterr()
    assert f"{before['final']['test_top1']:.2f} % of 360 test images" in out
    assert "| trial |" in out
    shown = "24 pixels, bicubic, crop 1 (center), mean (0.4, 0.5, 0.6), std (0.2, 0.25, 0.3)"  # digits are not cropped
    assert f": {shown}" in err


def test_another_configuration_in_the_same_folder_is_refused(done, network, capsys):
    output, _ = done
    assert main([*on_digits(network, output, "training.epochs=3"), "--trials", "2"]) == 2
    assert "other values of training.epochs" in capsys.readouterr().err


def test_stopped_in_the_search_and_in_the_training_it_goes_on(network, photographs, in_process, tmp_path, monkeypatch):
    output, asked = tmp_path / "out", [*on_photographs(network, tmp_path / "out", photographs), "--trials", "2"]
    in_process.stop_after = 1
    assert main(asked) == 130
    assert [trial.result is None for trial in TrialLedger(output / "trials").trials()] == [False, True]
    handed_out = TrialLedger(output / "trials")[1].parameters
    in_process.stop_after = None

    step = Trainer._step

    def killed(self, number, *batch):
        if self.total_steps == 16 and number == 10:  # of the training on all
            raise KeyboardInterrupt
        step(self, number, *batch)

    monkeypatch.setattr(Trainer, "_step", killed)
    assert main(asked) == 130
    assert TrialLedger(output / "trials")[1].parameters == handed_out
    assert len(in_process.asked) == 2

    seen = []

    def counted(self, number, *batch):
        seen.append(number)
        step(self, number, *batch)

    monkeypatch.setattr(Trainer, "_step", counted)
    assert main(asked) == 0
    assert seen == [*range(9, 16)]  # from the checkpoint on
    assert len(in_process.asked) == 2  # the search was over
    assert results(output)["final"]["test_count"] == 9


@pytest.mark.usefixtures("in_process")
def test_more_trials_are_added_and_another_best_pair_asks_for_room(network, photographs, tmp_path, monkeypatch, capsys):
    asked = on_photographs(network, tmp_path / "out", photographs)
    values = iter([50.0, 60.0, 55.0, 70.0])
    monkeypatch.setattr(transfers, "run_trial", lambda path, number: rated(path, number, next(values)))
    assert main([*asked, "--trials", "2"]) == 0
    assert main([*asked, "--trials", "3"]) == 0  # the best is the same
    assert len(results(tmp_path / "out")["trials"]) == 3
    assert main([*asked, "--trials", "4"]) == 2
    assert "was trained at other rates" in capsys.readouterr().err
    (tmp_path / "out/final").rename(tmp_path / "out/before")
    assert main([*asked, "--trials", "4"]) == 0
    assert results(tmp_path / "out")["best"]["top1"] == 70.0


def rated(path, number, top1):
    result = {"trial": number, "default": top1}
    TrialLedger(path / "trials").end(number, result)
    return result


def test_rates_by_hand_need_no_search(network, photographs, in_process, tmp_path):
    output = tmp_path / "out"
    asked = on_photographs(network, output, photographs)
    assert main([*asked, "--lr", "0.02", "--weight-decay", "1e-4"]) == 0
    found = results(output)
    assert (found["searched"], found["trials"], found["best"]) == (False, [], None)
    assert (found["final"]["lr"], found["final"]["weight_decay"]) == (0.02, 1e-4)
    assert not in_process.asked
    assert not (output / "trials.png").exists()


def test_a_killed_trial_goes_on_with_the_same_numbers(network, photographs, in_process, tmp_path, monkeypatch):
    def begun(name):
        """The folder of a transfer whose first trial is handed out."""
        asked = on_photographs(network, tmp_path / name, photographs)
        write_run_config(read_finetune_config(build_parser().parse_args(asked)))
        TrialLedger(tmp_path / name / "trials").add({"lr": 0.02, "weight_decay": 1e-4})
        return tmp_path / name

    whole = run_trial(begun("whole"), 0)
    reports = list(in_process.reported)
    assert [report["trial"] for report in reports] == [0, 0]  # two epochs

    step, folder = Trainer._step, begun("killed")

    def killed(self, number, *batch):
        if number == 10:
            raise KeyboardInterrupt
        step(self, number, *batch)

    monkeypatch.setattr(Trainer, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        run_trial(folder, 0)
    monkeypatch.setattr(Trainer, "_step", step)
    in_process.reported.clear()
    assert run_trial(folder, 0) == whole
    assert in_process.reported == reports  # the first epoch's again, for the assessor
    monkeypatch.setattr(Trainer, "run", not_again)
    assert run_trial(folder, 0) == whole


def not_again(trainer):
    pytest.fail(f"{trainer} trained again")


@pytest.mark.usefixtures("in_process")
def test_a_loss_that_is_not_finite_is_a_result(network, tmp_path, monkeypatch, capsys):
    def diverge(*_):
        raise NonFiniteLossError("the loss is nan at step 0")

    monkeypatch.setattr(Trainer, "_step", diverge)
    assert main([*on_digits(network, tmp_path / "out"), "--trials", "2"]) == 2
    assert [trial.result["diverged"] for trial in TrialLedger(tmp_path / "out/trials").ended()] == [True, True]
    assert "none of 2 trials has an accuracy" in capsys.readouterr().err


def test_the_data_section_comes_before_the_network(network, tmp_path):
    config = FinetuneConfig(
        output=str(tmp_path),
        model=FinetuneModelConfig(name=str(network)),
        data=FinetuneDataConfig(image_size=32, mean=(0.5, 0.5, 0.5), name="torch/flowers102"),
    )
    run = network_run_of(config, image_form(config), tmp_path, 0.1, 0.0, hold_out=True)
    assert (run.data.image_size, run.data.mean, run.data.std) == (32, (0.5, 0.5, 0.5), OWN["std"])
    assert (run.data.crop_pct, run.data.interpolation) == (0.9, "bilinear")


def test_the_best_ran_to_its_end(tmp_path):
    ledger = TrialLedger(tmp_path)
    for result in ({"default": 90.0, "stopped_early": True}, {"default": 80.0}, {"default": 0.0, "diverged": True}):
        ledger.end(ledger.add({"lr": 0.1}).number, result)
    assert best_trial(ledger.ended()).number == 1
    assert best_trial(ledger.ended()[:1]).number == 0


UNTRAINED = ["--data", "digits", "--set", "model.pretrained=false"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["test_resnet"], "give --data NAME"),
        (["no_such_model", "--data", "digits"], "timm knows no model 'no_such_model'"),
        (["NETWORK", "--data", "digits", "--lr", "0.1"], "give both lr and weight_decay"),
        (["NETWORK", "--data", "flowers", "--root", "nowhere"], "fetch it with"),
        (["NETWORK", "--data", "cars", "--root", "nowhere"], "cannot fetch it any more"),
        (["NETWORK", "--data", "flower"], "no data set is called 'flower'; did you mean 'flowers'?"),
        (["NETWORK", "--data", "folder", "--root", "nowhere"], "'nowhere' does not exist"),
        (["test_vit", *UNTRAINED, "--set", "data.image_size=32"], "takes images of 160 pixels"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_written(arguments, message, network, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["finetune", *[str(network) if one == "NETWORK" else one for one in arguments]]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_search_runs_in_one_process(network, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(on_digits(network, tmp_path / "out")) == 2
    assert "run it in one process" in capsys.readouterr().err


def test_without_nni_the_way_out_is_said(network, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "alphanet_plugin.nni_bridge.hpo.hpo_experiment", None)
    assert main([*on_digits(network, tmp_path / "out"), "--trials", "1"]) == 2
    assert "give the rates by --lr and --weight-decay" in capsys.readouterr().err
