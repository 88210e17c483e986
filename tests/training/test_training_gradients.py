"""Gradients of the full model and of the other subnets, compared: the numbers, and that training stays as it is."""

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from alphanet_plugin.losses import KLDivergence, Objective
from alphanet_plugin.report import plot_gradients
from alphanet_plugin.report.gradient_plot import _unscaled_ratio
from alphanet_plugin.spaces import get_space
from alphanet_plugin.supernet import build_supernet
from alphanet_plugin.training import GradientComparison, JsonLinesLog, Pass, add_gradients

sys.path.insert(0, str(Path(__file__).parents[1] / "runs"))
from phased_run import TABLE, config, run_of


def gradients(supernet):
    found = {name: one.grad for name, one in supernet.named_parameters()}
    supernet.zero_grad(set_to_none=True)
    return {name: torch.zeros(()) if grad is None else grad for name, grad in found.items()}


def norm(grads):
    return sum(float(grad.square().sum()) for grad in grads.values()) ** 0.5


def test_the_numbers(tmp_path):
    """Two micro-batches in float64, against each gradient by itself."""
    space = get_space(table=TABLE)
    supernet = build_supernet(space, num_classes=5).double().train()
    labels_alone, taught = Objective(weight=0.0), Objective(KLDivergence())
    passes = [
        Pass(space.largest(), labels_alone),
        Pass(space.smallest(), taught, 0.25),
        Pass(space.largest(), taught, 0.5),
    ]
    parts = [(torch.randn(4, 3, 24, 24).double(), torch.randint(5, (4,))) for _ in range(2)]
    for part in parts:
        add_gradients(supernet, passes[:1], *part)
    full = gradients(supernet)
    comparison = GradientComparison(Accelerator(cpu=True), supernet, 2, JsonLinesLog(tmp_path / "gradients.jsonl"))
    for step in (1, 2):
        for part in parts:
            add_gradients(supernet, passes, *part, around=lambda number, step=step: comparison.around(step, number))
        comparison.end_step(step)
        whole = gradients(supernet)
    (record,) = comparison.log.read()
    assert record["step"] == 2
    shrink = {name: grad - full[name] for name, grad in whole.items()}
    for name, figures in [("conv_stem", record["layers"]["conv_stem"]), (None, record["all"])]:
        one, other = (
            {k: v for k, v in some.items() if name is None or k == f"{name}.weight"} for some in (full, shrink)
        )
        dot = sum(float((one[key] * other[key]).sum()) for key in one)
        total = {key: one[key] + other[key] for key in one}
        expected = norm(one), norm(other), dot / norm(one) / norm(other), norm(total) / norm(one)
        assert list(figures) == ["full", "shrink", "cosine", "ratio"]
        assert list(figures.values()) == pytest.approx(expected, rel=1e-9)
    assert list(record["layers"])[-1] == "classifier"
    assert not any("bn" in name for name in record["layers"])


def train(folder, every, stop_after=None):
    recipe = config(folder, "deps")
    run = run_of(replace(recipe, training=replace(recipe.training, diagnose_every=every)))

    def on_step(record):
        if record["step"] == stop_after:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        run.train(on_step)
    run.accelerator.end_training()
    return run


def test_it_changes_nothing_and_goes_on_where_a_run_was_stopped(tmp_path):
    without = train(tmp_path / "off", None)
    train(tmp_path / "on", 2, stop_after=8)
    compared = train(tmp_path / "on", 2)
    assert not without.folder.gradients.exists()
    for name, tensor in without.trainer.update.supernet.state_dict().items():
        assert torch.equal(tensor, compared.trainer.update.supernet.state_dict()[name]), name
    records = JsonLinesLog(compared.folder.gradients).read()
    assert [record["step"] for record in records] == [0, 2, 4, 6, 8, 10]
    shrinking = compared.timeline.phases[1].steps.start
    whole = train(tmp_path / "whole", 2)
    assert JsonLinesLog(whole.folder.gradients).read() == records
    for record in records:
        alone = record["step"] < shrinking
        assert (record["all"]["shrink"] == 0, record["all"]["cosine"] is None) == (alone, alone)
        assert record["all"]["ratio"] == 1 if alone else record["all"]["ratio"] != 1
        assert record["scale"] == compared.timeline.at(record["step"]).scale(record["step"])
    picture = plot_gradients(records, compared.folder.gradient_picture, title="Gradients")
    assert picture.stat().st_size > 10_000
    with pytest.raises(ValueError, match="no gradients"):
        plot_gradients([], picture, title="")


def test_the_ratio_is_to_the_initial_full_gradient_with_and_without_epsilon(tmp_path):
    """DepS, Figure 4: two weights of which the second pass's gradient is (3, 4) times epsilon."""
    layer = torch.nn.Linear(2, 1, bias=False)
    comparison = GradientComparison(Accelerator(cpu=True), layer, 1, JsonLinesLog(tmp_path / "gradients.jsonl"))
    for step, (full, scale) in enumerate([((6.0, 8.0), 0.1), ((0.0, 5.0), 0.2)]):
        layer.weight.grad = None
        for number, grad in enumerate([full, (3.0 * scale, 4.0 * scale)]):
            with comparison.around(step, number):
                added = torch.tensor([grad])
                layer.weight.grad = added if layer.weight.grad is None else layer.weight.grad + added
        comparison.end_step(step, scale)
    records = comparison.log.read()
    assert [record["all"]["ratio"] for record in records] == pytest.approx([10.5 / 10, (0.6**2 + 5.8**2) ** 0.5 / 10])
    assert records[0]["layers"]["weight"] == records[0]["all"]
    assert [_unscaled_ratio(record) for record in records] == pytest.approx([15 / 10, (3**2 + 9**2) ** 0.5 / 10])
