"""`fuse`: the same outputs from fewer layers, for AlphaNet and for timm's other models."""

import copy

import pytest
import timm
import torch
from timm.layers import BatchNormAct2d
from torch import nn

import alphanet_plugin
from alphanet_plugin import fuse, get_space
from alphanet_plugin.models import alphanet_subnet
from alphanet_plugin.supernet import build_supernet

SMALL = get_space("attentive_nas", resolutions=(32, 40))
X = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def telling(model, images=X):
    """Random norms with the statistics of `images`, so that the outputs depend on all of them."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(images)
    return model.eval()


def subnet(**options):
    return telling(alphanet_subnet(arch=SMALL.presets["a1"], num_classes=7, **options))


def norms(model):
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@torch.no_grad()
def assert_same(fused, model, images=X, tolerance=1e-5):
    """Equal to `tolerance` of the largest value."""
    got, expected = fused(images), model(images)
    if isinstance(expected, torch.Tensor):
        got, expected = [got], [expected]
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert (one - other).abs().max() <= tolerance * other.abs().max()
        assert other.std(0).mean() > 1e-3 * other.abs().max(), "the outputs must depend on the images"


@pytest.mark.parametrize("train", [True, False])
def test_a_subnet_keeps_its_logits_and_loses_its_norms(train):
    model = subnet()
    before = copy.deepcopy(model.state_dict())
    fused = fuse(model.train(train))
    assert norms(fused) == 0
    assert not fused.training
    assert model.training == train
    assert norms(model) > 20
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    assert_same(fused, model.eval())


def test_the_network_keeps_timms_interface():
    model = subnet()
    fused = fuse(model)
    assert isinstance(fused, type(model))
    assert torch.equal(fused.get_classifier().weight, model.get_classifier().weight)
    with torch.no_grad():
        assert_same(fused.forward_features, model.forward_features)
        assert_same(
            lambda x: fused.forward_intermediates(x, intermediates_only=True),
            lambda x: model.forward_intermediates(x, intermediates_only=True),
        )
    assert fused.pretrained_cfg == model.pretrained_cfg
    fused.reset_classifier(3)
    assert fused(X).shape == (4, 3)


@pytest.mark.parametrize("in_chans", [1, 3])
def test_ordinary_images_run_channels_last(in_chans):
    images = X[:, :in_chans].contiguous()
    model = telling(alphanet_subnet(arch=SMALL.presets["a1"], num_classes=7, in_chans=in_chans), images)
    fused = fuse(model)
    with torch.no_grad():
        features = fused.forward_intermediates(images, intermediates_only=True)[1]
    assert features.is_contiguous(memory_format=torch.channels_last)
    assert not features.is_contiguous()
    assert_same(fused, model, images)
    assert_same(fused, model, images.contiguous(memory_format=torch.channels_last))


@pytest.mark.parametrize(
    ("name", "options", "left"),
    [
        ("mobilenetv3_small_050", {}, 0),
        ("tf_efficientnet_b0", {}, 0),  # convolutions that pad by the input's size
        ("resnet18", {}, 0),  # norms whose activation is a module of the model
        ("resnet18", {"features_only": True}, 0),
        ("efficientnet_b0", {"features_only": True}, 0),
        ("alphanet_a0", {"features_only": True}, 0),
        ("regnety_002", {}, 0),  # ConvNormAct
        ("densenet121", {}, 62),  # norms that see what several convolutions made
        ("resnetv2_50", {}, 17),  # norms before the convolution
    ],
    ids=str,
)
def test_timms_models(name, options, left):
    # In float64: some random networks enlarge float32's rounding to 2e-5, and what is asked here is the folding.
    images = X.double()
    model = telling(timm.create_model(name, **options).double(), images)
    fused = fuse(model)
    assert norms(fused) == left
    assert_same(fused, model, images, tolerance=1e-12)


def test_a_model_without_norms_is_left_as_it_is():
    model = timm.create_model("vit_tiny_patch16_224", img_size=64).eval()
    fused = fuse(model)  # its outputs may differ in their last bits: with AVX2 torch rounds by where memory lies
    assert str(fused) == str(model)
    assert fused.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(one, model.state_dict()[name]) for name, one in fused.state_dict().items())
    assert_same(fused, model)


def test_fusing_again_changes_nothing():
    fused = fuse(subnet())
    assert_same(fuse(fused), fused, tolerance=0)


def test_dtype_stays():
    model = subnet()
    assert_same(fuse(copy.deepcopy(model).double()), copy.deepcopy(model).double(), X.double(), tolerance=1e-12)
    half = fuse(copy.deepcopy(model).to(torch.bfloat16))
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}


class TwoReaders(nn.Module):
    """Something besides the norm sees the convolution's output."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = BatchNormAct2d(4)

    def forward(self, x):
        x = self.conv(x)
        return self.bn(x) + x


class Twice(TwoReaders):
    """The convolution runs twice, once without a norm."""

    def forward(self, x):
        return self.bn(self.conv(x)) + self.conv(x)


class Standardised(nn.Conv2d):
    """A convolution that does not use its weights as they are."""

    def forward(self, x):
        weight = (self.weight - self.weight.mean((1, 2, 3), keepdim=True)) / self.weight.std((1, 2, 3), keepdim=True)
        return nn.functional.conv2d(x, weight, self.bias)


class Plain(TwoReaders):
    def forward(self, x):
        return self.bn(self.conv(x))


def with_batch_statistics():
    model = Plain()
    model.bn = nn.BatchNorm2d(4, track_running_stats=False)
    return model


def with_standardised():
    model = Plain()
    model.conv = Standardised(3, 4, 3)
    return model


def with_parametrised():
    model = Plain()
    nn.utils.parametrizations.weight_norm(model.conv)
    return model


def with_hook():
    model = Plain()
    model.conv.register_forward_hook(lambda _module, _inputs, output: output * 2)
    return model


@pytest.mark.parametrize(
    "build",
    [TwoReaders, Twice, with_batch_statistics, with_standardised, with_parametrised, with_hook],
    ids=lambda build: build.__name__,
)
def test_what_would_change_the_outputs_is_left(build):
    model = telling(build())
    fused = fuse(model)
    assert norms(fused) == 1
    assert_same(fused, model)


def test_norms_are_folded_with_their_activation_kept():
    model = telling(Plain())
    fused = fuse(model)
    assert isinstance(fused.bn, nn.ReLU)
    assert fused.conv.bias is not None
    assert_same(fused, model)


def test_batch_norms_of_a_distributed_run_are_folded():
    model = subnet()
    synchronised = timm.layers.convert_sync_batchnorm(copy.deepcopy(model)).eval()
    fused = fuse(synchronised)
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in fused.modules())
    assert_same(fused, model)


def test_what_fx_cannot_follow_is_an_error_that_tells_the_way():
    supernet = build_supernet(SMALL, num_classes=10)
    supernet.activate(SMALL.smallest())
    with pytest.raises(ValueError, match=r"cannot follow the forward of MobileSupernet .*extract a subnet first"):
        fuse(supernet)


def test_it_is_public():
    assert "fuse" in alphanet_plugin.__all__
