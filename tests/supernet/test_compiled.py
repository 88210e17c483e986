"""Compiled functions compute what torch's operations do, whatever the number of threads, and are not needed."""

import statistics
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from alphanet_plugin import get_space
from alphanet_plugin.errors import ConfigError
from alphanet_plugin.losses import AdaptiveAlphaDivergence, Objective
from alphanet_plugin.supernet import (
    ElasticBatchNormAct2d,
    build_supernet,
    compiled,
    depthwise,
    prefix_linear,
    use_kernels,
)
from alphanet_plugin.supernet.prefix_linear import gated_linear
from alphanet_plugin.training import Pass, add_gradients

needs_compiler = pytest.mark.skipif(compiled.describe_kernels() != "compiled", reason="no C compiler")
ACTS = {"none": nn.Identity, "silu": nn.SiLU, "relu": nn.ReLU, "relu6": nn.ReLU6, "hard_swish": nn.Hardswish}


@pytest.fixture(autouse=True)
def _kernels_as_before(monkeypatch):
    monkeypatch.setattr(compiled, "_wanted", "auto")


def elastic_norm(channels, act, momentum=0.0):
    torch.manual_seed(1)
    norm = ElasticBatchNormAct2d.twin(nn.BatchNorm2d(channels)).train()
    nn.init.uniform_(norm.weight, -2.0, 2.0)
    nn.init.normal_(norm.bias)
    norm.act, norm.momentum = ACTS[act](), momentum
    return norm


def run_norm(norm, x, grad):
    """Output, and gradients of x, weight and bias."""
    x = x.clone(memory_format=torch.channels_last).requires_grad_()
    y = norm(x)
    norm.zero_grad()
    y.backward(grad)
    return [y.detach(), x.grad, norm.weight.grad, norm.bias.grad]


def relative_error(found, exact):
    return float((found.double() - exact.double()).norm() / exact.double().norm().clamp(min=1e-300))


@needs_compiler
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(("batch", "channels", "side"), [(2, 3, 1), (3, 21, 5), (4, 24, 17), (2, 40, 9), (300, 8, 1)])
def test_joined_norm_and_activation_are_torchs(act, batch, channels, side):
    norm = elastic_norm(channels + 5, act)  # of its channels the first ones are active
    torch.manual_seed(0)
    x = (3 * torch.randn(batch, channels, side, side) + 10).contiguous(memory_format=torch.channels_last)
    grad = torch.randn(batch, channels, side, side)
    found = run_norm(norm, x, grad)
    use_kernels("plain")
    plain = run_norm(norm, x, grad)
    exact = run_norm(norm.double(), x.double(), grad.double())
    assert found[0].is_contiguous(memory_format=torch.channels_last)
    for one, other, best in zip(found, plain, exact, strict=True):
        assert relative_error(one, best) < max(2e-6, 1.5 * relative_error(other, best))
    assert not torch.equal(found[0], plain[0]) or act == "relu" or channels == 3  # it was another function


@needs_compiler
@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics_are_torchs(momentum):
    found, plain = elastic_norm(24, "silu", momentum), elastic_norm(24, "silu", momentum)
    for number in range(3):
        torch.manual_seed(number)
        x = torch.randn(4, 16, 6, 6).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            use_kernels("compiled")
            found(x)
            use_kernels("plain")
            plain(x)
    torch.testing.assert_close(found.running_mean, plain.running_mean)
    torch.testing.assert_close(found.running_var, plain.running_var)
    assert found.num_batches_tracked == plain.num_batches_tracked == 3


@needs_compiler
def test_not_a_number_stays_one():
    x = torch.randn(2, 8, 4, 4).contiguous(memory_format=torch.channels_last)
    x[0, 3, 1, 1] = torch.nan
    y = elastic_norm(8, "silu")(x)
    assert y[:, 3].isnan().all()
    assert not y[:, :3].isnan().any()


@needs_compiler
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel_size", [3, 5, 7])
@pytest.mark.parametrize(("batch", "channels", "side"), [(1, 1, 1), (9, 24, 2), (3, 21, 5), (2, 40, 11)])
def test_the_gradients_of_a_depthwise_kernel_are_torchs(stride, kernel_size, batch, channels, side):
    torch.manual_seed(0)
    x = torch.randn(batch, channels, side, side).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(channels + 3, 1, 7, 7, requires_grad=True)
    y = depthwise.depthwise_conv(x, weight, kernel_size, stride)
    grad = torch.randn_like(y)
    found = torch.autograd.grad(y, (x, weight), grad)
    wide, kernel = x.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    centre = depthwise.centre(kernel[:channels], kernel_size)
    exact = torch.autograd.grad(
        F.conv2d(wide, centre, None, stride, kernel_size // 2, groups=channels), (wide, kernel), grad.double()
    )
    assert all(relative_error(one, other) < 1e-6 for one, other in zip(found, exact, strict=True))


@needs_compiler
@pytest.mark.parametrize("act", ["silu", "relu6", None])
@pytest.mark.parametrize(("kernel_size", "stride"), [(3, 1), (5, 2), (7, 1)])
@pytest.mark.parametrize(("channels", "side"), [(21, 5), (24, 17)])
def test_a_depthwise_convolution_between_norms_keeps_their_inputs_alone(act, kernel_size, stride, channels, side):
    before, after = act and elastic_norm(channels + 5, act), elastic_norm(channels + 5, "hard_swish")
    norms = [norm for norm in (before, after) if norm is not None]

    def run(form, kind, seed):
        torch.manual_seed(seed)
        x = torch.randn(3, channels, side, side).contiguous(memory_format=torch.channels_last)
        kernels = torch.randn(channels + 5, 1, 7, 7)
        for norm in norms:
            norm.to(kind).zero_grad()
        images, weight = (one.to(kind).requires_grad_() for one in (x, kernels))
        y, means = form(images, weight)
        torch.autograd.backward((y, means), [torch.randn(one.shape).to(kind) for one in (y, means)])
        of_norms = [one.grad.clone() for norm in norms for one in norm.parameters()]
        return [y.detach(), means.detach(), images.grad, weight.grad, *of_norms]

    def joined(images, weight):
        return depthwise.normed_depthwise_conv(before, images, weight, kernel_size, stride, after)

    def apart(images, weight):
        y = after(depthwise.depthwise_conv(before(images) if before else images, weight, kernel_size, stride))
        return y, y.mean((2, 3), keepdim=True)

    kept, errors, plain_errors = [], [], []
    for seed in range(8):  # of one draw an error is mostly luck, ours as torch's
        kept.clear()
        use_kernels("auto")
        with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one.shape) or one, lambda one: one):
            found = run(joined, torch.float32, seed)
        use_kernels("plain")
        plain, exact = run(apart, torch.float32, seed), run(apart, torch.float64, seed)
        errors.append([relative_error(*pair) for pair in zip(found, exact, strict=True)])
        plain_errors.append([relative_error(*pair) for pair in zip(plain, exact, strict=True)])
    for ours, theirs in zip(zip(*errors, strict=True), zip(*plain_errors, strict=True), strict=True):
        assert statistics.median(ours) < max(1e-6, 1.5 * statistics.median(theirs))
    images_kept = [shape for shape in kept if len(shape) == 4 and shape[0] == 3]
    assert images_kept == [found[2].shape, found[0].shape]


@pytest.mark.parametrize("kernels", ["plain", pytest.param("compiled", marks=needs_compiler)])
@pytest.mark.parametrize(("batch", "channels", "side"), [(1, 3, 1), (3, 21, 5), (2, 24, 17)])
def test_a_gated_1x1_convolution_is_torchs(batch, channels, side, kernels):
    use_kernels(kernels)
    torch.manual_seed(0)
    x = torch.randn(batch, channels, side, side).contiguous(memory_format=torch.channels_last)
    inputs = [x, torch.rand(batch, channels, 1, 1), torch.randn(13, channels + 2, 1, 1)]
    grad = torch.randn(batch, 9, side, side)

    def run(form, kind):
        x, gate, weight = (one.to(kind).clone().requires_grad_() for one in inputs)
        y = form(x, gate, weight)
        return [y.detach(), *torch.autograd.grad(y, (x, gate, weight), grad.to(kind))]

    found = run(lambda x, gate, weight: gated_linear(x, gate, weight, 9), torch.float32)
    exact = run(lambda x, gate, weight: F.conv2d(x * gate, weight[:9, :channels]), torch.float64)
    assert all(relative_error(one, other) < 1e-6 for one, other in zip(found, exact, strict=True))


@needs_compiler
@pytest.mark.parametrize("name", ["attentive_nas", "us_mobilenet_v2"])
def test_hooks_of_every_layer_are_called(name):
    use_kernels("compiled")
    supernet, called = build_supernet(get_space(name), num_classes=4), set()

    def modules_called(training):
        called.clear()
        supernet.train(training)(torch.randn(2, 3, 32, 32))
        return set(called)

    for path, module in supernet.named_modules():
        module.register_forward_hook(lambda *_, path=path: called.add(path))
    assert modules_called(training=True) == modules_called(training=False)


@needs_compiler
def test_threads_change_no_bit():
    torch.manual_seed(0)
    x = torch.randn(5, 40, 13, 13).contiguous(memory_format=torch.channels_last)
    norm, threads = elastic_norm(40, "silu"), torch.get_num_threads()
    kernel = torch.randn(40, 1, 5, 5, requires_grad=True)
    grad = torch.randn_like(x)
    results = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            given = x.clone().requires_grad_(), kernel
            y, means = depthwise.normed_depthwise_conv(norm, *given, 5, 2, norm)
            loss = (y * grad[:, :, :7, :7]).sum() + means.square().sum()
            of_all = torch.autograd.grad(loss, (*given, norm.weight, norm.bias))
            results.append([*run_norm(norm, x, grad), y.detach(), means.detach(), *of_all])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(*pair) for others in results[1:] for pair in zip(results[0], others, strict=True))


@needs_compiler
@pytest.mark.parametrize("name", ["attentive_nas", "ofa_mbv3_cifar", "us_mobilenet_v2"])
def test_a_steps_gradients_are_no_further_from_float64s_than_torchs(name):
    space = get_space(name, resolutions=(40,))
    torch.manual_seed(0)
    supernet = build_supernet(space, num_classes=10).train().to(memory_format=torch.channels_last)
    images, labels = torch.randn(8, 3, 40, 40), torch.randint(10, (8,))
    passes = [Pass(space.largest(), Objective()), Pass(space.smallest(), Objective(kd=AdaptiveAlphaDivergence()))]

    def gradients():
        supernet.zero_grad()
        add_gradients(supernet, passes, images.to(supernet.classifier.weight.dtype), labels)
        return torch.cat([one.grad.double().flatten() for one in supernet.parameters() if one.grad is not None])

    found = gradients()
    use_kernels("plain")
    plain = gradients()
    exact = supernet.double() and gradients()
    assert relative_error(found, exact) < max(2e-5, 2 * relative_error(plain, exact))


def run_with(monkeypatch, compiler):
    """What a new process says of its kernels, and whether a norm trains there."""
    monkeypatch.setenv("CC", compiler)
    program = (
        "import torch; from torch import nn; from alphanet_plugin.supernet import *\n"
        "print(describe_kernels())\n"
        "x = torch.randn(2, 8, 3, 3).contiguous(memory_format=torch.channels_last)\n"
        "print(tuple(ElasticBatchNormAct2d.twin(nn.BatchNorm2d(8)).train()(x).shape))\n"
        "use_kernels('compiled')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode != 0
    said, shape = done.stdout.splitlines()
    assert shape == "(2, 8, 3, 3)"
    return said, done.stderr.splitlines()[-1]


def test_without_a_compiler_torchs_operations_serve(monkeypatch):
    said, error = run_with(monkeypatch, "no-such-compiler")
    assert said == "plain (no C compiler: no-such-compiler is not on the PATH)"
    assert error.endswith(
        "kernels: compiled cannot be had here: no C compiler: no-such-compiler is not on the PATH; kernels: auto does "
        "without"
    )


def test_a_compiler_that_fails_is_named(monkeypatch):
    said, _ = run_with(monkeypatch, "false")
    assert said.startswith("plain (false could not build them: ")


def test_another_word_is_refused():
    with pytest.raises(ConfigError, match="kernels must be one of auto, plain, compiled, not 'fast'"):
        use_kernels("fast")


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="no oneDNN")
@pytest.mark.parametrize("threads", [1, 2])
def test_products_as_convolutions_are_the_same(threads, monkeypatch):
    monkeypatch.setattr(prefix_linear, "_prefers_convolutions", lambda: True)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    rows, weight = torch.randn(70, 24, requires_grad=True), torch.randn(40, 30, requires_grad=True)
    found = []
    for least in (0, 2**40):
        monkeypatch.setattr(prefix_linear, "_LARGE", least)
        y = prefix_linear.prefix_linear(rows, weight, None, 32).mul_(2.0)  # in place, as activations may
        found.append([y.detach(), *torch.autograd.grad(y.square().sum(), (rows, weight))])
    torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        assert relative_error(one, other) < 1e-6
