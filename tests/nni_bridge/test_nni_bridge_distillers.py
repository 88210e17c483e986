"""NNI's distillers with our losses: NNI's own numbers where the methods are NNI's, and students that learn."""

import copy

import pytest
import torch
import torch.nn.functional as F
from distilling import agreement, ask, digits, fit, labels_loss, outputs, student, teacher, torch_evaluator
from nni.compression.distillation import Adaptive1dLayerwiseDistiller, DynamicLayerwiseDistiller
from nni.compression.pruning import L1NormPruner
from torch import nn

from alphanet_plugin.losses import AdaptiveAlphaDivergence, AlphaDivergence, KLDivergence
from alphanet_plugin.nni_bridge import AlphaAdaptive1dLayerwiseDistiller, AlphaLayerwiseDistiller

HEAD = {"op_names": ["classifier"], "link": "fc"}


def distilled_loss(build, model, its_teacher, entries, images):
    """The distillation loss that `build` gives for a batch, with its gradient by the student's parameters."""
    model, its_teacher = copy.deepcopy(model), copy.deepcopy(its_teacher)
    distiller = build(model, entries, torch_evaluator(model), its_teacher, ask)
    if isinstance(distiller, Adaptive1dLayerwiseDistiller):
        distiller.track_forward(images)
        torch.manual_seed(0)
        distiller._register_trans_linear()
    model(images)
    with torch.no_grad():
        ask((images,), its_teacher)
    loss = distiller.compute_distill_loss()
    found = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return loss.detach(), torch.autograd.grad(loss, found, allow_unused=True)


def assert_same(ours, nnis, rtol):
    """The losses to `rtol`, the gradients as vectors to ten times that: those of some biases are rounding alone."""
    torch.testing.assert_close(ours[0], nnis[0], rtol=rtol, atol=0)
    assert [slope is None for slope in ours[1]] == [slope is None for slope in nnis[1]]
    slopes, nni_slopes = (
        torch.cat([slope.flatten() for slope in found if slope is not None]) for _, found in (ours, nnis)
    )
    assert nni_slopes.norm() > 0
    assert (slopes - nni_slopes).norm() <= 10 * rtol * nni_slopes.norm()


# ---- NNI's own numbers ----


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-6), (torch.float64, 1e-12)], ids=str)
@pytest.mark.parametrize(
    ("method", "nni_method"),
    [
        ({"apply_method": "alpha", "alpha": 1, "temperature": 2}, "kl"),
        ({"apply_method": "alpha", "alpha": 1.0, "temperature": 2.0, "clip": None, "form": "exact"}, "kl"),
        ({"apply_method": "kl"}, "kl"),
        ({"apply_method": "mse"}, "mse"),
        ({}, "mse"),
    ],
)
def test_alpha_1_at_temperature_2_is_nnis_kl_and_kl_and_mse_are_nnis(method, nni_method, dtype, rtol):
    images = digits()[0][:64].to(dtype)
    models = student().to(dtype), teacher().to(dtype)
    ours = distilled_loss(AlphaLayerwiseDistiller, *models, [{**HEAD, **method, "lambda": 3}], images)
    nnis = distilled_loss(
        DynamicLayerwiseDistiller, *models, [{**HEAD, "apply_method": nni_method, "lambda": 3.0}], images
    )
    assert nnis[0] > 0.1
    assert_same(ours, nnis, rtol)


@pytest.mark.parametrize("method", [{"apply_method": "alpha", "alpha": 1, "temperature": 2}, {"apply_method": "kl"}])
def test_outputs_of_more_dimensions_and_several_links_are_nnis_too(method):
    """Tokens (64, 17, 64): summed over the tokens, averaged over the images; the nearest of two links counts."""
    images = digits()[0][:64].double()
    models = [student("test_vit", seed, img_size=32, patch_size=8).double() for seed in (1, 2)]
    where = [{"op_names": ["blocks.0", "norm"], "link": ["blocks.1", "blocks.2"], "lambda": 0.5}]
    ours = distilled_loss(AlphaLayerwiseDistiller, *models, [{**where[0], **method}], images)
    nnis = distilled_loss(DynamicLayerwiseDistiller, *models, [{**where[0], "apply_method": "kl"}], images)
    assert_same(ours, nnis, 1e-12)


@pytest.mark.parametrize(
    ("method", "nni_method"),
    [({"apply_method": "alpha", "alpha": 1, "temperature": 2}, "kl"), ({"apply_method": "mse"}, "mse")],
)
def test_the_adaptive_distiller_gives_nnis_numbers_through_the_same_linear_layer(method, nni_method):
    images = digits()[0][:64].double()
    models = student().double(), teacher().double()
    where = {"op_names": ["global_pool"], "link": "global_pool"}
    with torch.device("cpu"):
        torch.set_default_dtype(torch.float64)  # NNI's linear layer is of the default dtype
        try:
            ours = distilled_loss(AlphaAdaptive1dLayerwiseDistiller, *models, [{**where, **method}], images)
            nnis = distilled_loss(
                Adaptive1dLayerwiseDistiller, *models, [{**where, "apply_method": nni_method}], images
            )
        finally:
            torch.set_default_dtype(torch.float32)
    assert_same(ours, nnis, 1e-12)


def test_alpha_1_at_temperature_2_trains_as_nnis_kl_does():
    """Ten steps of both in float64 end at the same weights."""
    images = digits()[0][:128].double()

    def ten_steps(model, optimizer, training_step, *_):
        for step in range(10):
            optimizer.zero_grad()
            training_step((images[step % 2 :: 2], digits()[1][step % 2 : 128 : 2]), model).backward()
            optimizer.step()

    ended = []
    for build, method in [
        (AlphaLayerwiseDistiller, {"apply_method": "alpha", "alpha": 1.0, "temperature": 2.0}),
        (DynamicLayerwiseDistiller, {"apply_method": "kl"}),
    ]:
        model = student().double()
        distiller = build(model, [{**HEAD, **method}], torch_evaluator(model, ten_steps), teacher().double(), ask)
        distiller.compress(max_steps=10, max_epochs=None)
        distiller.unwrap_model()
        ended.append(model.state_dict())
    started = student().double().state_dict()
    assert (ended[0]["classifier.weight"] - started["classifier.weight"]).abs().max() > 1e-3
    for name, value in ended[0].items():
        torch.testing.assert_close(value, ended[1][name], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("method", "kd_loss"),
    [
        ({"apply_method": "adaptive_alpha"}, AdaptiveAlphaDivergence()),
        (
            {"apply_method": "adaptive_alpha", "alpha_min": -2, "alpha_max": 0, "clip": None, "temperature": 4},
            AdaptiveAlphaDivergence(-2.0, 0.0, float("inf"), temperature=4.0),
        ),
        ({"apply_method": "alpha", "alpha": -1.0, "form": "exact"}, AlphaDivergence(-1.0, form="exact")),
        ({"apply_method": "kl", "temperature": 5}, KLDivergence(5.0)),
    ],
)
def test_the_keys_of_a_method_reach_its_loss_from_the_entry_and_from_its_target_settings(method, kd_loss):
    model, its_teacher, images = student().eval(), teacher(), digits()[0][:32]
    wanted = 0.5 * kd_loss(model(images), its_teacher(images)).detach()
    named = {"target_names": ["_output_0"], "target_settings": {"_output_0": {"link": "fc", "lambda": 0.5, **method}}}
    for entry in ({**HEAD, "lambda": 0.5, **method}, {"op_names": ["classifier"], "link": "fc", **named}):
        loss, _ = distilled_loss(AlphaLayerwiseDistiller, model, its_teacher, [entry], images)
        torch.testing.assert_close(loss, wanted)


# ---- students that learn ----


def distil(method, epochs, build=AlphaLayerwiseDistiller, entries=None):
    """A student that learnt from the teacher alone; with it the distiller."""
    model, its_teacher = student(), teacher()
    distiller = build(
        model, entries or [{**HEAD, **method}], torch_evaluator(model), its_teacher, ask, origin_loss_lambda=0.0
    )
    if build is AlphaAdaptive1dLayerwiseDistiller:
        distiller.track_forward(digits()[0][:64])
    distiller.compress(max_steps=None, max_epochs=epochs)
    distiller.unwrap_model()
    distiller.unwrap_teacher_model()
    return model, distiller


@pytest.mark.parametrize(
    ("method", "kd_loss"),
    [
        ({"apply_method": "adaptive_alpha"}, AdaptiveAlphaDivergence()),
        ({"apply_method": "alpha", "alpha": -1, "temperature": 2}, AlphaDivergence(-1.0, temperature=2.0)),
        ({"apply_method": "kl"}, KLDivergence(2.0)),
        ({"apply_method": "mse"}, nn.MSELoss()),
    ],
    ids=lambda value: value.get("apply_method") if isinstance(value, dict) else None,
)
def test_a_small_timm_model_learns_from_a_larger_one(method, kd_loss):
    before, its_teacher = student(), teacher()
    after, _ = distil(method, epochs=3)
    wanted = outputs(its_teacher)
    assert sum(p.numel() for p in after.parameters()) < 0.3 * sum(p.numel() for p in its_teacher.parameters())
    assert kd_loss(outputs(after), wanted) < 0.3 * kd_loss(outputs(before), wanted)
    assert agreement(before, its_teacher) < 0.4
    assert agreement(after, its_teacher) > 0.85
    for name, value in teacher().state_dict().items():  # a teacher in eval mode stays as it was
        assert torch.equal(its_teacher.state_dict()[name], value)


def test_the_adaptive_distiller_trains_its_linear_layer_and_pulls_the_features_near():
    images = digits()[0][:64]
    entries = [{"op_names": ["global_pool"], "link": "global_pool", "apply_method": "mse"}]
    model, distiller = distil(None, 3, AlphaAdaptive1dLayerwiseDistiller, entries)
    linear = distiller.trans_linears["global_pool"]["_output_0"]
    assert (linear.in_features, linear.out_features) == (256, 96)
    with torch.no_grad():
        features = [m.eval().forward_head(m.forward_features(images), pre_logits=True) for m in (model, teacher())]
        known = features[1].var()
        assert F.mse_loss(linear(features[0]), features[1]) < 0.5 * known
        untrained = nn.Linear(256, 96)
        assert F.mse_loss(untrained(features[0]), features[1]) > known
    trained = linear.weight.detach().clone()
    distiller.wrap_model()
    distiller.wrap_teacher_model()
    distiller.compress(max_steps=2, max_epochs=None)  # goes on with the layer that it has
    assert distiller.trans_linears["global_pool"]["_output_0"] is linear
    assert not torch.equal(linear.weight, trained)


@pytest.mark.parametrize("method", [{"apply_method": "adaptive_alpha"}, {"apply_method": "mse"}])
def test_the_adaptive_distiller_takes_models_with_parameters_of_their_root(method):
    """A ViT's class token, on which NNI's search for the parameter group fails."""
    model = student("test_vit", img_size=32, patch_size=8)
    entry = {"op_names": ["fc_norm"], "link": "global_pool", **method}
    distiller = AlphaAdaptive1dLayerwiseDistiller(model, [entry], torch_evaluator(model), teacher(), ask)
    distiller.track_forward(digits()[0][:8])
    linear_before = None

    def watching(model, optimizer, training_step, *rest):
        nonlocal linear_before
        linear = distiller.trans_linears["fc_norm"]["_output_0"]
        linear_before = linear.weight.detach().clone()
        assert sum(p is linear.weight for group in optimizer.param_groups for p in group["params"]) == 1
        fit(model, optimizer, training_step, *rest)

    distiller.evaluator.training_func = watching
    distiller.compress(max_steps=3, max_epochs=None)
    assert not torch.equal(distiller.trans_linears["fc_norm"]["_output_0"].weight, linear_before)


class TwoOutputs(nn.Module):
    """A module with two outputs, of `width` each."""

    def __init__(self, width):
        super().__init__()
        self.first, self.second = nn.Linear(4, width), nn.Linear(4, width)

    def forward(self, x):
        return self.first(x), self.second(x)


class Pair(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.two = TwoOutputs(width)

    def forward(self, x):
        return self.two(x)[0]


def test_every_linear_layer_of_a_module_with_two_outputs_learns():
    """NNI hands the optimizer only the last one."""
    images, seen = torch.randn(16, 4), []

    def two_steps(model, optimizer, training_step, *_):
        seen.extend(id(parameter) for group in optimizer.param_groups for parameter in group["params"])
        for _ in range(2):
            training_step((images, torch.zeros(16, dtype=torch.long)), model).backward()
            optimizer.step()

    model = Pair(3)
    entry = {"op_names": ["two"], "target_names": ["_output_0", "_output_1"], "apply_method": "mse"}
    evaluator = torch_evaluator(model, two_steps)
    distiller = AlphaAdaptive1dLayerwiseDistiller(model, [entry], evaluator, Pair(5), ask)
    distiller.track_forward(images)
    distiller.compress(max_steps=2, max_epochs=None)
    linears = distiller.trans_linears["two"]
    assert set(linears) == {"_output_0", "_output_1"}
    assert all(id(linear.weight) in seen for linear in linears.values())


def test_distils_a_model_that_nnis_pruner_masks():
    model = student()
    pruner = L1NormPruner(model, [{"op_types": ["Conv2d"], "sparse_ratio": 0.25}])
    _, masks = pruner.compress()
    pruner.unwrap_model()  # which makes parameters anew, so the optimizer comes after it
    entry = {**HEAD, "apply_method": "adaptive_alpha"}
    distiller = AlphaLayerwiseDistiller.from_compressor(
        pruner, [entry], teacher(), ask, 0.0, evaluator=torch_evaluator(model)
    )
    before = model.conv_stem._nni_wrapper.weight.detach().clone()
    distiller.compress(max_steps=3, max_epochs=None)
    assert not torch.equal(model.conv_stem._nni_wrapper.weight, before)
    assert (pruner.get_masks()["conv_stem"]["weight"] == masks["conv_stem"]["weight"]).all()


# ---- what is refused ----


def test_outputs_of_other_shapes_are_refused_by_name():
    where = {"op_names": ["global_pool"], "link": "global_pool", "apply_method": "kl"}
    words = (
        r"'_output_0' of 'global_pool' and of the teacher's 'global_pool' differ in shape: \(8, 256\) and \(8, 96\).*"
    )
    with pytest.raises(ValueError, match=words + "AlphaAdaptive1dLayerwiseDistiller"):
        distilled_loss(AlphaLayerwiseDistiller, student(), teacher(), [where], digits()[0][:8])


def test_a_divergence_needs_a_dimension_beside_the_batch():
    class Sums(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Linear(4, 3)
            self.sum = nn.Flatten(0)

        def forward(self, x):
            return self.sum(self.weight(x))

    where = {"op_names": ["sum"], "apply_method": "adaptive_alpha"}
    with pytest.raises(ValueError, match=r"'_output_0' of 'sum' .* needs outputs \(B, ..., K\), got shape \(6,\).*mse"):
        distilled_loss(AlphaLayerwiseDistiller, Sums(), Sums(), [where], torch.randn(2, 4))


def test_a_teacher_that_is_not_run_is_refused_not_ignored():
    model = student()
    entry = {**HEAD, "apply_method": "kl"}
    distiller = AlphaLayerwiseDistiller(model, [entry], torch_evaluator(model), teacher(), lambda *_: None)
    with pytest.raises(ValueError, match="teacher_predict did not run 'fc' of teacher_model"):
        distiller.compress(max_steps=1, max_epochs=None)


def test_widths_must_be_tracked_first():
    model = student()
    entry = {"op_names": ["global_pool"], "apply_method": "mse"}
    distiller = AlphaAdaptive1dLayerwiseDistiller(model, [entry], torch_evaluator(model), teacher(), ask)
    with pytest.raises(ValueError, match=r"call track_forward\(images\)"):
        distiller.compress(max_steps=1, max_epochs=None)


def test_a_length_must_be_given():
    model = student()
    distiller = AlphaLayerwiseDistiller(model, [HEAD], torch_evaluator(model), teacher(), ask)
    with pytest.raises(ValueError, match="say how long to distil"):
        distiller.compress(max_steps=None, max_epochs=None)


def test_a_student_is_not_its_own_teacher():
    model = student()
    with pytest.raises(ValueError, match="one and the same"):
        AlphaLayerwiseDistiller(model, [HEAD], torch_evaluator(model), model, ask)


def test_labels_loss_is_still_there():
    """origin_loss_lambda times the labels' loss and lambda times the teacher's."""
    images, labels = digits()[0][:16], digits()[1][:16]
    seen = []

    def one_step(model, _, training_step, *rest):  # noqa: ARG001
        seen.append(training_step((images, labels), model.eval()).item())

    model, its_teacher = student().eval(), teacher()
    wanted = 0.25 * labels_loss((images, labels), model) + 2 * AdaptiveAlphaDivergence()(
        model(images), its_teacher(images)
    )
    entry = {**HEAD, "apply_method": "adaptive_alpha", "lambda": 2}
    AlphaLayerwiseDistiller(model, [entry], torch_evaluator(model, one_step), its_teacher, ask, 0.25).compress(1, None)
    assert seen == pytest.approx([wanted.item()], rel=1e-6)
