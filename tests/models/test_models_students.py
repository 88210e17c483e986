"""Students of the AlphaNet paper's tables 5 and 6 that timm does not list."""

import pytest
import timm
import torch
import torchvision

import alphanet_plugin  # noqa: F401
from alphanet_plugin.evaluation import count_operations

# Multiply-adds / 1e6 and parameters: torchvision's of its ShuffleNets, and what timm's rounding makes of MobileNets.
COSTS = {
    "shufflenetv2_x0_5": (40.5, 1_366_792),
    "shufflenetv2_x1_0": (144.9, 2_278_604),
    "mobilenetv2_025": (37.2, 1_519_112),
    "mobilenetv3_large_050": (73.7, 2_689_904),
}


@pytest.mark.parametrize("name", COSTS)
def test_costs_and_faces(name):
    model = timm.create_model(name).eval()
    counted = count_operations(model, (3, 224, 224))
    assert (round(counted.multiply_adds / 1e6, 1), counted.params) == COSTS[name]
    x = torch.randn(2, 3, 64, 64)
    model.reset_classifier(7)
    assert model(x).shape == (2, 7)
    assert model.forward_head(model.forward_features(x), pre_logits=True).shape == (2, model.head_hidden_size)
    grey = timm.create_model(name, num_classes=0, in_chans=1, drop_rate=0.5)
    assert grey(x[:, :1]).shape == (2, grey.head_hidden_size)
    pyramid = timm.create_model(name, features_only=True)
    assert [feature.shape[1] for feature in pyramid(x)] == pyramid.feature_info.channels()
    assert [64 // feature.shape[2] for feature in pyramid(x)] == pyramid.feature_info.reduction()


def test_shufflenet_is_torchvisions():
    theirs = torchvision.models.shufflenet_v2_x0_5(num_classes=10).eval()
    ours = timm.create_model("shufflenetv2_x0_5", num_classes=10).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(ours(x), theirs(x))
