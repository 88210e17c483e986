"""A GPU's host goes on: nothing in a step waits for the device, and what is read later is the same."""

import json
from contextlib import nullcontext, suppress
from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator
from small_run import build

from alphanet_plugin import get_space
from alphanet_plugin.config import RunConfig, from_dict
from alphanet_plugin.errors import NonFiniteLossError
from alphanet_plugin.evaluation import evaluate
from alphanet_plugin.losses import AdaptiveAlphaDivergence, Objective
from alphanet_plugin.samplers import SandwichSampler
from alphanet_plugin.schedules import Timeline, WarmupCosine
from alphanet_plugin.supernet import build_supernet
from alphanet_plugin.supernet.layers import centre, conv2d, cropped
from alphanet_plugin.training import NetworkUpdate, Pass, SupernetPhase, SupernetUpdate, add_gradients
from alphanet_plugin.training.ahead import Figures
from alphanet_plugin.training.passes import added_at_once

LAST = torch.channels_last
SPACES = [("attentive_nas", 32), ("us_mobilenet_v1", 32)]
REFUSALS = (NotImplementedError, RuntimeError)  # torch's, where the host asks a tensor without values for one


def supernet_on(device, name, side):
    return build_supernet(get_space(name, resolutions=(side,)), num_classes=10).to(device).train()


def batch_on(device, side):
    images = torch.empty(4, 3, side, side, device=device).to(memory_format=torch.channels_last)
    return images, torch.zeros(4, dtype=torch.int64, device=device)


def phase_of(supernet):
    sampler = SandwichSampler(supernet.space, num_random=2, seed=0)
    return SupernetPhase(
        name="train", steps=range(4), rate=WarmupCosine(base_lr=0.1, total_steps=4), sampler=sampler,
        first=Objective(), others=Objective(AdaptiveAlphaDivergence()),
    )  # fmt: skip


@pytest.mark.parametrize(("name", "side"), SPACES)
def test_a_step_asks_the_device_for_nothing(name, side):
    """On the meta device, whose tensors refuse .item(), .tolist(), .cpu(), bool() and nonzero()."""
    supernet = supernet_on("meta", name, side)
    update = SupernetUpdate(
        accelerator=Accelerator(cpu=True), model=supernet, optimizer=torch.optim.SGD(supernet.parameters(), 0.1),
        phase=phase_of(supernet), clip_value=1.0, num_classes=10,
    )  # fmt: skip
    figures = update.step(0, *batch_on("meta", side))
    assert all(parameter.grad is not None for parameter in supernet.classifier.parameters())
    update.apply()
    assert all(parameter.grad is None for parameter in supernet.parameters())
    with pytest.raises(REFUSALS):
        figures["loss"]  # which is what waits


def test_a_network_s_step_asks_for_nothing_either():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 10)).to("meta")
    objective = Objective(AdaptiveAlphaDivergence(), weight=0.5)
    update = NetworkUpdate(
        accelerator=Accelerator(cpu=True), model=model, optimizer=torch.optim.SGD(model.parameters(), 0.1),
        objective=objective, teacher=model, clip_value=1.0,
    )  # fmt: skip
    figures = update.step(0, *batch_on("meta", 8))
    update.apply()
    with pytest.raises(REFUSALS):
        figures["loss"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_losses_of_half_precision_logits_are_float32(dtype):
    supernet, (images, labels) = supernet_on("cpu", *SPACES[1]), batch_on("cpu", 32)
    phase = phase_of(supernet)
    seen = []

    class Cast(torch.nn.Module):
        def forward(self, x):
            logits = supernet(x).to(dtype)
            seen.append(logits.dtype)
            return logits

    losses = add_gradients(supernet, phase.passes(0, phase.sampler.archs(0)), images, labels, forward=Cast())
    assert set(seen) == {dtype}
    assert losses.dtype == torch.float32


# -- records that are written later ----------------------------------------------------------------------------------


def config(folder):
    """32 images, 4 steps an epoch, 8 steps; checkpoints after the 3rd, 6th and 8th."""
    training = {"epochs": 2, "batch_size": 8, "warmup_epochs": 1, "save_every": 3}
    space = {"name": "us_mobilenet_v1", "resolutions": [16]}
    return from_dict(
        RunConfig, {"output": str(folder), "space": space, "data": {"image_size": 16}, "training": training}
    )


def records(folder):
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def train(folder, behind, on_step=None, break_at=None):
    trainer = build(config(folder))
    trainer._behind = behind
    phase = trainer.update.phase

    def broken(logits, labels, teacher):
        loss = phase.others(logits, labels, teacher)
        at = break_at is not None and trainer.update.supernet.active == phase.sampler.archs(break_at)[1]
        return loss * torch.nan if at else loss

    trainer.timeline = Timeline([replace(phase, others=broken)])
    trainer.run(on_step)
    return trainer


def test_a_log_that_is_written_later_is_the_same(tmp_path):
    trainers = [train(tmp_path / str(behind), behind) for behind in (0, 2)]
    assert records(tmp_path / "0") == records(tmp_path / "2")
    for one, other in zip(*(trainer.update.supernet.parameters() for trainer in trainers), strict=True):
        assert torch.equal(one, other)


def test_what_is_shown_of_a_step_comes_two_steps_later_but_never_after_an_epoch_or_a_checkpoint(tmp_path):
    shown = []
    trainer = build(config(tmp_path))
    trainer._behind = 2
    step = trainer.update.step
    trainer.update.step = lambda number, *batch: (shown.append(f"do {number}"), step(number, *batch))[1]
    trainer.run(lambda record: shown.append(record["step"]))
    assert shown == [
        "do 0", "do 1", "do 2", 0, 1, 2, "do 3", 3, "do 4", "do 5", 4, 5, "do 6", "do 7", 6, 7,
    ]  # fmt: skip


def test_a_loss_that_is_not_finite_is_found_later_and_never_saved(tmp_path):
    with pytest.raises(NonFiniteLossError, match=r"at step 4 for arch.*the last good checkpoint is .*step_00000003"):
        train(tmp_path, 2, break_at=4)
    assert [record["step"] for record in records(tmp_path)] == [0, 1, 2, 3]


def test_figures_are_read_once():
    asked = []
    figures = Figures(torch.tensor([1.0, 2.0]), lambda losses: asked.append(losses) or {"loss": losses[0]})
    assert asked == []
    assert (dict(figures), figures["loss"], len(figures)) == ({"loss": 1.0}, 1.0, 1)
    assert asked == [[1.0, 2.0]]


# -- fewer kernels, the same numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("full", "part"),
    [((8, 6, 3, 3), (5, 4, 3, 3)), ((8, 1, 7, 7), (5, 1, 3, 3)), ((8, 6, 1, 1), (5, 6, 1, 1)), ((8, 6, 1, 1),) * 2],
)
def test_a_cropped_kernel_is_its_slice(full, part, channels_last):
    weight = torch.randn(full)
    weight = (weight.contiguous(memory_format=torch.channels_last) if channels_last else weight).requires_grad_()
    slices = centre(weight[: part[0], : part[1]], part[-1])
    assert torch.equal(cropped(weight, part), slices)
    slope = torch.randn(part)
    gradients = [torch.autograd.grad(kernel, weight, slope)[0] for kernel in (cropped(weight, part), slices)]
    assert torch.equal(*gradients)


@pytest.mark.parametrize("fails", [False, True])
def test_gradients_added_at_once_are_those_added_one_by_one(fails):
    torch.manual_seed(0)
    model = torch.nn.ModuleList(torch.nn.Linear(4, 3) for _ in range(3))
    x = torch.randn(5, 4)

    def gradients(context):
        model.zero_grad()
        model[0](x).sum().backward()
        model[1](x).square().sum().backward()
        with suppress(ZeroDivisionError), context:
            (model[1](2 * x).sum() + model[2](x).sum()).backward()
            assert 1 / (not fails)
        return [parameter.grad for parameter in model.parameters()]

    one, other = gradients(nullcontext()), gradients(added_at_once(model))
    assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def test_passes_on_a_device_are_added_at_once(monkeypatch):
    supernet, batch = supernet_on("meta", *SPACES[1]), batch_on("meta", 32)
    added = []
    monkeypatch.setattr(torch, "_foreach_add_", lambda some, _: added.append(len(some)))
    archs = [supernet.space.largest(), supernet.space.smallest()]
    add_gradients(supernet, [Pass(arch, Objective()) for arch in archs], *batch)
    assert added == [len(list(supernet.parameters()))]


def test_accuracy_is_asked_for_once(monkeypatch):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 10)).to("meta")
    images, labels = batch_on("meta", 8)[0], torch.zeros(4, dtype=torch.int64)
    asked = []
    stack = torch.stack

    def stacked(rows, *rest):
        asked.append(len(rows))
        return stack(rows, *rest)

    monkeypatch.setattr(torch, "stack", stacked)
    with pytest.raises(REFUSALS):
        evaluate(model, [(images, labels)] * 3)
    assert asked == [3, 3, 3, 3]  # three figures of each batch, then all batches, which are then read


# -- what lies in memory in another order on another device ------------------------------------------------------------


def test_the_optimiser_s_state_lies_as_its_weights_do_whatever_device_wrote_it(tmp_path):
    """Its fused step wants that; a CPU's weights are channels_last, a GPU's are not."""
    trainer = build(config(tmp_path))
    trainer.run()
    again = build(config(tmp_path))
    stem = again.update.supernet.conv_stem.weight
    stem.data = stem.data.contiguous()
    again.checkpoints.load(again.checkpoint)
    momentum = again.update.optimizer.state[stem]["momentum_buffer"]
    before = trainer.update.optimizer.state[trainer.update.supernet.conv_stem.weight]["momentum_buffer"]
    assert momentum.stride() == stem.stride() != before.stride()
    assert torch.equal(momentum, before)


@pytest.mark.parametrize("groups", [1, 6])
def test_a_convolution_s_output_keeps_the_format_of_its_input(groups):
    for x in (torch.empty(2, 6, 8, 8, device="meta"), torch.empty(2, 6, 8, 8, device="meta").to(memory_format=LAST)):
        y = conv2d(x, torch.empty(6, 6 // groups, 3, 3, device="meta"), None, (2, 2), groups)
        assert y.shape == (2, 6, 4, 4)
        assert groups == 1 or y.is_contiguous(memory_format=LAST) == x.is_contiguous(memory_format=LAST)
