"""Runs that train one network, on labels and from a fixed teacher."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from networks import build, config, few

from alphanet_plugin import runs
from alphanet_plugin.config import NetworkConfig
from alphanet_plugin.errors import ConfigError, HubError, NonFiniteLossError
from alphanet_plugin.evaluation import evaluate
from alphanet_plugin.losses import KLDivergence, LabelSmoothingCrossEntropy, Objective

ONE = {"epochs": 1}


def state(trainer):
    return trainer.accelerator.unwrap_model(trainer.update.model).state_dict()


def losses(trainer):
    return [{**json.loads(line), "seconds": 0} for line in trainer.log.path.read_text().splitlines()]


def test_what_was_trained_is_a_folder_that_timm_loads(teacher):
    folder, metrics = teacher
    model = timm.create_model(f"local-dir:{folder}", pretrained=True)
    splits = few(config(Path(folder).parent))
    batch = torch.utils.data.default_collate([splits.test[number] for number in range(32)])
    again = evaluate(model, [batch])
    assert again.top1 == metrics["test_top1"]
    assert again.loss == pytest.approx(metrics["test_loss"], rel=1e-5)
    assert metrics["search_count"] == 32
    saved = json.loads((Path(folder) / "config.json").read_text())
    assert saved["label_names"] == [str(digit) for digit in range(10)]
    assert saved["alphanet"]["metrics"]["top1"] == metrics["test_top1"]
    assert timm.data.resolve_model_data_config(model)["mean"] == list(splits.mean)
    assert f"{metrics['test_top1']:.2f}" in (Path(folder) / "README.md").read_text()


def test_a_finished_run_is_not_done_again(teacher):
    folder, metrics = teacher
    run = config(Path(folder).parent)
    before = (Path(folder) / "model.safetensors").stat().st_mtime_ns
    assert runs.run_network(run) == metrics
    assert (Path(folder) / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match=r"other values of training\.lr"):
        build(config(run.output, training={"lr": 0.5}))


@pytest.mark.parametrize(
    "kd", ["adaptive_alpha", {"name": "alpha", "alpha": -1.0}, "kl", "reverse_kl", "symmetric_kl", "none"], ids=str
)
def test_every_loss_distils(tmp_path, teacher, kd):
    kd = {"name": kd} if isinstance(kd, str) else kd
    records = []
    run = config(tmp_path, model="test_efficientnet", teacher={"name": teacher[0]}, kd=kd, training=ONE)
    build(run).run(records.append)
    assert len(records) == 4
    assert ("kd_loss" in records[0]) == (kd["name"] != "none")


def test_the_loss_is_the_papers_and_dropout_is_the_students_alone(tmp_path, teacher):
    run = config(tmp_path, model="test_efficientnet", teacher={"name": teacher[0], "weight": 0.7}, kd={"name": "kl"})
    trainer = build(run)
    trainer.update.model.train()
    images, labels = next(iter(trainer.batches(0)))
    network = trainer.accelerator.unwrap_model(trainer.update.model)
    fixed = timm.create_model(f"local-dir:{teacher[0]}", pretrained=True).eval()
    with torch.no_grad():
        taught = fixed(images)
    objective = Objective(KLDivergence(), 0.7, 0.1)
    wanted = objective(network(images), labels, taught)
    figures = trainer.update.step(0, images, labels)
    assert figures["loss"] == pytest.approx(wanted.item(), rel=1e-5)
    assert figures["loss"] == pytest.approx(0.3 * figures["label_loss"] + 0.7 * figures["kd_loss"], rel=1e-5)
    before = {name: tensor.clone() for name, tensor in trainer.update.teacher.model.state_dict().items()}
    trainer.update.apply()
    assert all(torch.equal(tensor, before[name]) for name, tensor in trainer.update.teacher.model.state_dict().items())


def test_kept_logits_give_the_numbers_of_a_teacher_that_is_asked_in_every_step(tmp_path, teacher):
    filled = []
    with_views = {"name": teacher[0], "views": 2, "cache": str(tmp_path / "cache")}
    kept = build(
        config(tmp_path / "kept", model="test_efficientnet", teacher=with_views),
        on_filled=lambda done, total: filled.append((done, total)),
    )
    called = []
    kept.update.teacher = called.append
    kept.run()
    assert not called
    assert filled == [(64, 64)]

    # two epochs of two views are what a run without views sees too
    asked = build(config(tmp_path / "asked", model="test_efficientnet", teacher={"name": teacher[0]}))
    asked.run()
    for one, other in zip(losses(kept), losses(asked), strict=True):
        assert one == pytest.approx(other, rel=1e-4)

    filled.clear()
    other_seed_of_weights = config(tmp_path / "more", model="test_resnet", teacher=with_views, training=ONE)
    again = build(other_seed_of_weights, on_filled=lambda done, total: filled.append((done, total)))
    again.run()
    assert not filled, "the cache is shared by runs whose teacher, images and views are the same"


def test_views_are_taken_in_turn_and_one_is_enough_without_augmentation(tmp_path, teacher):
    run = config(tmp_path, teacher={"name": teacher[0], "views": 2}, training={"epochs": 3})
    images = [images for images, *_ in build(run).batches(0)]
    epochs = [torch.cat(images[4 * epoch : 4 * epoch + 4]) for epoch in range(3)]
    sums = [sorted(epoch.sum(dim=(1, 2, 3)).tolist()) for epoch in epochs]
    assert sums[0] == sums[2] != sums[1]
    plain = config(tmp_path / "plain", teacher={"name": teacher[0]}, data={"augment": False}, training=ONE)
    trainer = build(plain)
    assert len(next(iter(trainer.batches(0)))) == 3, "the teacher's logits come along"


def test_a_stopped_run_goes_on_with_the_same_numbers(tmp_path, teacher):
    """Dropout, mixup, cutmix, erasing, repeats and AdamW among them."""

    def run(folder):
        training = {
            "mixup": 0.8, "cutmix": 1.0, "erasing": 0.5, "repeats": 2, "optimizer": "adamw", "lr": 1e-3,
            "final_lr": 1e-5, "clip_value": 1.0,
        }  # fmt: skip
        model = {"name": "test_efficientnet", "drop_rate": 0.5, "drop_path_rate": 0.2}
        sections = {"teacher": {"name": teacher[0]}, "training": training}
        return replace(config(folder, **sections), model=NetworkConfig(**model))

    whole = build(run(tmp_path / "whole"))
    whole.run()

    def stop(record):
        if record["step"] == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(run(tmp_path / "stopped")).run(stop)
    again = build(run(tmp_path / "stopped"))
    again.run()
    for (name, one), other in zip(state(whole).items(), state(again).values(), strict=True):
        assert torch.equal(one, other), name
    assert losses(whole) == losses(again)
    assert len(losses(whole)) == 8


def test_labels_alone_by_hand(tmp_path):
    run = config(tmp_path, training={"label_smoothing": 0.1, "lr": 0.1, "momentum": 0.0, "optimizer": "momentum"})
    trainer = build(run)
    trainer.update.model.train()
    images, labels = next(iter(trainer.batches(0)))
    network = trainer.accelerator.unwrap_model(trainer.update.model)
    before = network.fc.weight.detach().clone()
    loss = LabelSmoothingCrossEntropy(0.1)(network(images), labels)
    (slope,) = torch.autograd.grad(loss, network.fc.weight)
    trainer._step(0, images, labels)
    torch.testing.assert_close(network.fc.weight.detach(), before - 0.1 * slope, rtol=1e-4, atol=1e-6)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    trainer = build(config(tmp_path))
    with torch.no_grad():
        trainer.accelerator.unwrap_model(trainer.update.model).fc.weight[0] = torch.nan
    with pytest.raises(NonFiniteLossError, match=r"nan at step 0; there is no good checkpoint.*--resume-from"):
        trainer.run()


def test_training_on_all_images_leaves_none_to_search_with(tmp_path):
    run = config(tmp_path, data={"search_count": 0})
    splits = runs.build_data(run)
    assert (len(splits.train), len(splits.search), len(splits.test)) == (1437, 0, 360)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"model": "mobilenetv2_05"},
            r"model\.name: timm knows no model 'mobilenetv2_05'.*did you mean 'mobilenetv2_",
        ),
        ({"teacher": {"name": "nowhere/model"}}, r"teacher\.name: timm knows no model 'nowhere/model'"),
        ({"teacher": {"name": "test_resnet", "pretrained": "nowhere.safetensors"}}, "there is no nowhere.safetensors"),
        ({"teacher": {"name": "test_resnet", "pretrained": "mine"}}, "Invalid pretrained tag"),
        ({"teacher": {"name": "mobilenetv2_025"}}, "No pretrained weights exist for mobilenetv2_025"),
        ({"training": {"optimizer": "sdg"}}, "training.optimizer: 'sdg' is none of timm's"),
        ({"training": {"momentum": 0.0}}, "training.optimizer: timm cannot build sgd: Nesterov momentum requires"),
        ({"model": "deit_tiny_patch16_224"}, r"takes images of 224 pixels and data.image_size is 32; make them equal"),
    ],
    ids=str,
)
def test_what_cannot_be_built_is_named(tmp_path, sections, message):
    with pytest.raises(ConfigError, match=message):
        build(config(tmp_path, **sections))


def unlisted(values):
    """A published network's config.json without digests, as earlier versions wrote it."""
    return json.dumps({key: value for key, value in values.items() if key not in ("config_sha256", "files")})


def test_teachers_that_do_not_fit(tmp_path, teacher):
    folder, _ = teacher
    five = config(tmp_path / "x", teacher={"name": folder, "options": {"num_classes": 5}})
    with pytest.raises(ConfigError, match=r"tells 5 classes apart and digits has 10; give a teacher"):
        build(five)
    wrong = config(tmp_path / "y", teacher={"name": "test_efficientnet", "pretrained": folder})
    with pytest.raises(ConfigError, match="holds weights of test_resnet, not of test_efficientnet"):
        build(wrong)
    saved = Path(folder) / "config.json"
    text = saved.read_text()
    try:
        saved.write_text(unlisted(json.loads(text.replace('"0",\n    "1",', '"1",\n    "0",'))))
        with pytest.raises(ConfigError, match="stand in another order"):
            build(config(tmp_path / "z", teacher={"name": folder}))
    finally:
        saved.write_text(text)
    weights = f"{folder}/model.safetensors"
    build(config(tmp_path / "file", teacher={"name": "test_resnet", "pretrained": weights}))
    with pytest.raises(ConfigError, match=r"timm cannot build test_efficientnet: .*state_dict"):
        build(config(tmp_path / "other", teacher={"name": "test_efficientnet", "pretrained": weights}))
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(Path(weights).read_bytes()[:1000])
    with pytest.raises(ConfigError, match="timm cannot build test_resnet"):
        build(config(tmp_path / "torn", teacher={"name": "test_resnet", "pretrained": str(torn)}))


def test_without_a_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # else its client tries for half a minute
    with pytest.raises(HubError, match=r"mobilenetv2_100.*give teacher\.pretrained the path of a folder"):
        build(config(tmp_path, teacher={"name": "mobilenetv2_100"}))


def test_a_teacher_gets_images_normalised_as_it_learned_them(tmp_path, teacher):
    saved = Path(teacher[0]) / "config.json"
    text = saved.read_text()
    values = json.loads(text)
    values["pretrained_cfg"] |= {"mean": [0.5, 0.4, 0.3], "std": [0.25, 0.5, 0.2]}
    try:
        saved.write_text(unlisted(values))
        trainer = build(config(tmp_path, teacher={"name": teacher[0]}))
    finally:
        saved.write_text(text)
    pixels = torch.rand(2, 3, 32, 32)
    splits = few(config(tmp_path))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (splits.mean, splits.std))
    wanted = (pixels - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.25, 0.5, 0.2]).view(3, 1, 1)
    teacher_ = trainer.update.teacher
    torch.testing.assert_close(teacher_((pixels - mean) / std), teacher_.model(wanted), rtol=1e-4, atol=1e-4)


def resized(teacher, size, mode="bicubic"):
    return torch.nn.functional.interpolate(teacher, size, mode=mode, antialias=True)


def test_a_teacher_gets_images_of_the_size_that_it_learned(tmp_path, teacher):
    """32 pixels, though the student's have 24; or what is asked for. It is part of what the run is."""
    smaller = {"image_size": 24}
    trainer = build(config(tmp_path / "own", teacher={"name": teacher[0]}, data=smaller))
    fixed = trainer.update.teacher
    images = torch.randn(2, 3, 24, 24)
    torch.testing.assert_close(fixed(images), fixed.model(resized(images, 32)))
    assert fixed.expected.uncropped.startswith("32 pixels, bicubic, mean (0.305, ")
    run = runs.NetworkRun(config(tmp_path / "same", teacher={"name": teacher[0]}), few(config(tmp_path)))
    assert "resized" not in run.identity()["teacher"], "where sizes agree a run is what it was before sizes counted"
    run = config(tmp_path / "asked", teacher={"name": teacher[0], "image_size": 40}, data=smaller)
    asked = runs.NetworkRun(run, few(run))
    torch.testing.assert_close(asked.teacher(images), asked.teacher.model(resized(images, 40)))
    identity = asked.identity()
    assert identity["teacher"]["resized"] == [40, 40, "bicubic"]
    assert asked.complete(json.loads(json.dumps(identity))) == identity


def test_kept_logits_are_those_of_the_size(tmp_path, teacher):
    filled = []
    for number, size in enumerate((24, 24, 40)):
        section = {"name": teacher[0], "views": 1, "cache": str(tmp_path / "cache"), "image_size": size}
        run = config(tmp_path / str(number), model="test_efficientnet", teacher=section, training=ONE)
        build(run, on_filled=lambda done, total: filled.append((done, total))).run()
    assert filled == [(32, 32)] * 2, "the second run finds the first's, the third asks again"


def test_a_network_of_one_size_teaches_students_of_any(tmp_path):
    model = timm.create_model("test_vit", num_classes=10)  # 160 pixels alone
    torch.save(model.state_dict(), tmp_path / "vit.pth")
    section = {"name": "test_vit", "pretrained": str(tmp_path / "vit.pth")}
    run = config(tmp_path / "x", teacher=section)
    taught = runs.NetworkRun(run, few(run)).teacher(torch.randn(2, 3, 32, 32))
    assert taught.shape == (2, 10)
    with pytest.raises(ConfigError, match=r"test_vit takes images of 160 pixels and teacher\.image_size is 64"):
        build(config(tmp_path / "y", teacher={**section, "image_size": 64}))
    run = config(tmp_path / "z", teacher={**section, "options": {"img_size": 64}})
    with pytest.raises(ConfigError):  # weights of another size
        build(run)
