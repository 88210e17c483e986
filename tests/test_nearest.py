"""What a mistyped word or path was meant to be is told everywhere, by one function."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from alphanet_plugin.cli.main import main
from alphanet_plugin.nearest import did_you_mean, nearest, nearest_path, path_hint

WORDS = ("adaptive_alpha", "alpha", "kl")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("adaptive-alpa", "did you mean 'adaptive_alpha'?"),
        ("KL", "did you mean 'kl'?"),
        ("zzz", "known are adaptive_alpha, alpha, kl"),
        (None, "known are adaptive_alpha, alpha, kl"),
        ("x" * 10**6, "known are adaptive_alpha, alpha, kl"),
    ],
    ids=repr,
)
def test_words(word, hint):
    assert did_you_mean(word, WORDS) == hint


def test_words_where_nothing_is_near():
    assert did_you_mean("zzz", WORDS, "look at the list") == "look at the list"
    assert did_you_mean("zzz", ()) == "there is none"
    assert nearest("Flowers", ["flowers", "FLOWERS"]) == "flowers"


def test_paths(tmp_path, monkeypatch):
    (tmp_path / "runs" / "digits").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert path_hint("runs/digits") == ""
    assert path_hint("run/digit") == "; did you mean runs/digits?"
    assert path_hint(tmp_path / "rums" / "digits") == f"; did you mean {tmp_path / 'runs' / 'digits'}?"
    assert path_hint("somewhere/else") == ""
    assert nearest_path("digts", tmp_path / "runs").name == "digits"
    assert path_hint("runs/\0") == ""
    (tmp_path / "pilot.yaml").touch()
    assert path_hint("x.yaml") == ""  # the ending is all that they have in common
    assert path_hint("pilto.yml") == "; did you mean pilot.yaml?"


def test_a_configuration_unlike_all_shipped_ones_names_their_folder(capsys):
    assert main(["train", "--config", "configs/xyzzyqq.yaml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("here or among the shipped ones; they lie in configs/, such as configs/digits.yaml")


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("trian --config configs/digits.yaml", "'train'"),
        ("train --config configs/digit.yaml", "configs/digits.yaml"),
        ("train --config config/us_mobilenetv2_digits.yaml", "configs/us_mobilenet_v2_digits.yaml"),
        ("train --config digits.yaml", "configs/digits.yaml"),
        ("train --config digits", "configs/digits.yaml"),
        ("nni run configs/hpo_kd.yaml", "configs/nni/hpo_kd.yaml"),
        ("study tabel3_digits.yaml", "configs/studies/table3_digits.yaml"),
        ("nni run hpo_kd.yaml", "configs/nni/hpo_kd.yaml"),
        ("train --recipe dpes", "'deps'"),
        ("train --config configs/digits.yaml --set training.epoch=3", "'epochs'"),
        ("train --config configs/digits.yaml --set data.name=digit", "'digits'"),
        ("train --config configs/digits.yaml --set training.optimizer=adamww", "'adamw'"),
        ("search run/digits", "runs/digits"),
        ("report runs/digit", "runs/digits"),
        ("evaluate runs/digit --data digits", "runs/digits"),
        ("evaluate resnet_18 --data digits", "resnet18"),
        ("evaluate resnet18.a1_in1 --data digits", "resnet18.a1_in1k"),
        ("evaluate alphanet_a0.digit --data digits", "alphanet_a0.digits"),
        ("evaluate alphanet_a1.digits --data digits", "alphanet_a0.digits"),
        ("evaluate resnet18 --data pictres", "pictures"),
        ("finetune alphanet_a0 --data flower", "'flowers'"),
        ("import table/min.yaml", "table/mine.yaml"),
        ("export resnet_18 --no-pretrained", "resnet18"),
        ("profile smalest", "'smallest'"),
        ("profile a0 --space ofa_mbv", "'ofa_mbv3'"),
        ("profile a0 --space tables/mine.yaml", "table/mine.yaml"),
        ("study configs/studies/table3_digit.yaml", "configs/studies/table3_digits.yaml"),
        ("study configs/studies/table3_digits.yaml --only KL-KD", "'w/ KL-KD'"),
        ("distill --student resnet_18", "'resnet18'"),
        ("finetune alphanet_a0 --config configs/finetune/flower.yaml", "configs/finetune/flowers.yaml"),
        ("nni run configs/nni/alphanet_digit.yaml", "configs/nni/alphanet_digits.yaml"),
    ],
)
def test_verbs(command, meant, tmp_path, monkeypatch, capsys, alphanet_home):
    model = alphanet_home / "models" / "alphanet_a0.digits"
    model.mkdir(parents=True)
    (model / "config.json").write_text('{"architecture": "alphanet_a0", "num_classes": 10}')
    save_file({"weight": np.zeros(100, np.float32)}, model / "model.safetensors")
    for name in ("runs/digits", "pictures", "table"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "table" / "mine.yaml").touch()
    monkeypatch.chdir(tmp_path)
    try:
        status = main(command.split())
    except SystemExit as error:
        status = error.code
    said = capsys.readouterr().err
    assert status == 2, said
    assert f"did you mean {meant}?" in said
