"""Features that stay finer than stride 32: what the dilated network computes, and what it says of itself."""

import pytest
import timm
import torch
from torch import nn

from alphanet_plugin.models import MBConvBlock, Shortcut

X = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
ENTRIES = ("alphanet_a0", "us_mobilenet_v1", "us_mobilenet_v2")


def create(name, **options):
    torch.manual_seed(0)
    options = {"zero_init_last": False, **options} if name.startswith("alphanet") else options
    return timm.create_model(name, **options).eval()


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("stride", [8, 16, 32])
def test_reductions_and_shapes(name, stride):
    backbone = create(name, features_only=True, output_stride=stride)
    reductions = [min(reduction, stride) for reduction in (2, 4, 8, 16, 32)]
    assert backbone.feature_info.reduction() == reductions
    assert backbone.feature_info.channels() == create(name, features_only=True).feature_info.channels()
    with torch.no_grad():
        assert [96 // features.shape[-1] for features in backbone(X)] == reductions
        odd = backbone(torch.randn(1, 3, 75, 81))
    assert [features.shape[2:] for features in odd] == [(-(-75 // each), -(-81 // each)) for each in reductions]


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("stride", [8, 16])
def test_a_dense_network_computes_the_strided_ones_features_and_those_between(name, stride, monkeypatch):
    """Equal at every position that the strided network has, where nothing averages over positions."""
    plain, dense = create(name, num_classes=7), create(name, num_classes=7, output_stride=stride)
    assert plain.state_dict().keys() == dense.state_dict().keys()
    dense.load_state_dict(plain.state_dict())
    assert dense(X).shape == (1, 7)
    # The dense shortcut has no positions to average, so here the strided one takes the position itself.
    monkeypatch.setattr(Shortcut, "pool", lambda self, x: x[..., :: self.stride, :: self.stride])
    for model in (plain, dense):
        for block in model.modules():
            if isinstance(block, MBConvBlock):
                block.se = nn.Identity()
    step = 32 // stride
    with torch.no_grad():
        strided, features = plain.forward_features(X), dense.forward_features(X)
    assert features.shape[-1] == step * strided.shape[-1]
    torch.testing.assert_close(features[..., ::step, ::step], strided, rtol=1e-4, atol=1e-4 * strided.abs().max())
    assert (features[..., 1::step, ::step] - strided).abs().max() > 0.01 * strided.abs().max()


def test_dense_features_with_se_and_pooling_resemble_the_strided_ones():
    """The level that is dense, at the positions of the strided one, on an image as smooth as photographs are."""
    smooth = nn.functional.interpolate(torch.randn(1, 3, 5, 5, generator=torch.Generator().manual_seed(1)), size=256)
    with torch.no_grad():
        strided = create("alphanet_a0", features_only=True)(smooth)[-1]
        dense = create("alphanet_a0", features_only=True, output_stride=16)(smooth)[-1]
    taken = dense[..., ::2, ::2]
    alike = nn.functional.cosine_similarity(taken.flatten(2), strided.flatten(2), dim=1).mean()
    shuffled = nn.functional.cosine_similarity(taken.flatten(2).flip(-1), strided.flatten(2), dim=1).mean()
    assert alike > 0.9
    assert shuffled < alike - 0.1


def test_the_stride_is_kept_in_a_saved_model_and_in_copies_for_inference(tmp_path):
    from alphanet_plugin import fuse

    model = create("alphanet_a0", num_classes=3, output_stride=16)
    with torch.no_grad():
        torch.testing.assert_close(fuse(model)(X), model(X), rtol=1e-4, atol=1e-5)
        assert torch.jit.script(model)(X).shape == (1, 3)
    timm.models.save_for_hf(model, tmp_path)
    read = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    assert read.feature_info[-1]["reduction"] == 16
    assert torch.equal(read(X), model(X))


def test_other_strides_are_refused():
    with pytest.raises(ValueError, match="output_stride must be one of 8, 16, 32, not 12"):
        timm.create_model("alphanet_a0", output_stride=12)
