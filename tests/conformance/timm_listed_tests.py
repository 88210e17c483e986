"""The tests of timm's file that are about models in general but run over a fixed list of timm's, here over ours."""

import pytest
import test_models as timms
from timm_tests_plugin import ENTRIES


@pytest.mark.parametrize("model_name", ENTRIES)
def test_reset_classifier_keeps_pool(model_name):
    timms.test_reset_classifier_keeps_pool(model_name)


@pytest.mark.parametrize("model_name", ENTRIES)
def test_features_only_grad_checkpointing_backward(model_name):
    timms.test_features_only_grad_checkpointing_backward(model_name)


@pytest.mark.parametrize("model_name", ENTRIES)
def test_prune_intermediate_layers_params_used(model_name):
    timms.test_prune_intermediate_layers_params_used(model_name)


@pytest.mark.parametrize("model_name", ENTRIES)
def test_forward_after_prune_intermediate_layers(model_name):
    timms.test_forward_after_prune_intermediate_layers(model_name)


@pytest.mark.parametrize("model_name", ENTRIES)
def test_prune_intermediate_layers_last_feature(model_name):
    # False as for MobileNetV3, which like AlphaNet has a convolution of the head after its last feature level
    timms.test_prune_intermediate_layers_last_feature(model_name, stop_early_final=False)


@pytest.mark.parametrize("model_name", ENTRIES)
def test_feature_getter_stage_ends_torchscript(model_name):
    timms.test_feature_getter_stage_ends_torchscript(model_name)


@pytest.mark.parametrize("model_name", ENTRIES)
def test_head_hidden_size(model_name):
    timms.test_head_hidden_size(model_name, {})


# timm's own EfficientNet, and with it a slimmable MobileNet, takes that pooling
@pytest.mark.parametrize("model_name", [name for name in ENTRIES if not name.startswith("us_mobilenet")])
def test_catavgmax_unsupported(model_name):
    timms.test_catavgmax_unsupported(model_name)
