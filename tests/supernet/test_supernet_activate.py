"""Choosing what the next forward computes: arch, dropout, stochastic depth, statistics."""

import numpy as np
import pytest
import torch
from timm.layers import DropPath

from alphanet_plugin import get_space
from alphanet_plugin.spaces import Arch
from alphanet_plugin.supernet import build_supernet

SPACE = get_space("attentive_nas", resolutions=(32, 40))
PUBLISHED = get_space("attentive_nas")
X = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def build(**options):
    net = build_supernet(SPACE, num_classes=5, **options)
    with torch.no_grad():  # projections start with weight 0: blocks would compute nothing that could be dropped
        for name, parameter in net.named_parameters():
            if name.endswith("bn3.weight"):
                parameter.fill_(1.0)
    return net


@pytest.fixture(scope="module")
def supernet():
    return build()


def test_the_largest_is_active_at_first():
    with torch.device("meta"):
        assert build_supernet(SPACE).active == SPACE.largest()


def test_archs_are_validated_and_a_refused_one_changes_nothing(supernet):
    supernet.activate(SPACE.smallest())
    fields = SPACE.largest().to_dict()
    with pytest.raises(ValueError, match=r"mb3\.width: 48 .* 32, 40"):
        supernet.activate(Arch({**fields, "width": [24, 24, 32, 48, 72, 128, 216, 224, 1984]}))
    with pytest.raises(ValueError, match=r"resolution: 192 .* 32, 40"):
        supernet.activate(PUBLISHED.smallest())
    with pytest.raises(ValueError, match=r"resolution: 192 .* 32, 40"):
        supernet.extract(PUBLISHED.smallest())
    with pytest.raises(ValueError, match="field depth takes 7 numbers"):
        supernet.activate(Arch({**fields, "depth": [1, 3]}))
    assert supernet.active == SPACE.smallest()
    with torch.no_grad():
        torch.testing.assert_close(supernet(X), supernet.extract(SPACE.smallest())(X))


def test_only_spaces_with_a_supernet():
    with pytest.raises(ValueError, match="get_space"):
        build_supernet("attentive_nas")


@pytest.mark.parametrize("options", [{"drop_rate": 0.5}, {"drop_path_rate": 0.9}], ids=str)
def test_dropping_acts_where_asked_and_only_in_training(options):
    net = build(**options)
    with torch.no_grad():
        for arch in (SPACE.largest(), SPACE.smallest()):
            net.train()
            net.activate(arch)
            assert torch.equal(net(X), net(X))
        net.activate(SPACE.largest(), drop=True)
        assert not torch.equal(net(X), net(X))
        net.eval()
        assert torch.equal(net(X), net(X))
        net.train()
        net.activate(SPACE.largest())
        assert torch.equal(net(X), net(X)), "dropping stays on after it was asked for once"


def test_without_rates_asking_to_drop_drops_nothing(supernet):
    supernet.train()
    supernet.activate(SPACE.largest(), drop=True)
    with torch.no_grad():
        assert torch.equal(supernet(X), supernet(X))


def test_drop_path_rates_grow_with_depth_in_the_last_two_stages():
    rate = 0.2
    net = build(drop_path_rate=rate)
    net.activate(SPACE.largest(), drop=True)
    found = {
        name.removesuffix(".drop_path"): module.drop_prob
        for name, module in net.named_modules()
        if isinstance(module, DropPath) and module.drop_prob
    }
    names = [f"blocks.{stage}.{block}" for stage, depth in enumerate(SPACE.largest().depth) for block in range(depth)]
    # mb6 strides and mb7 changes its width in the first block, whose shortcut then is not the identity.
    droppable = [name for name in names if name.startswith(("blocks.5.", "blocks.6.")) and not name.endswith(".0")]
    assert found == {name: pytest.approx(rate * names.index(name) / len(names)) for name in droppable}
    net.activate(SPACE.largest())
    assert not any(module.drop_prob for module in net.modules() if isinstance(module, DropPath))


def test_training_keeps_no_statistics():
    net = build()
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    assert before
    rng = np.random.default_rng(0)
    for arch in (SPACE.largest(), SPACE.sample(rng), SPACE.smallest()):
        net.activate(arch)
        net(X).sum().backward()
    for name, buffer in net.named_buffers():
        assert torch.equal(buffer, before[name]), name
    subnet = net.extract()
    subnet(X)
    assert int(subnet.bn1.num_batches_tracked) == 1, "an extracted subnet trains like any timm model"


@pytest.mark.parametrize(
    "arch",
    [
        SPACE.largest(),
        SPACE.smallest(),
    ],
    ids=["largest", "smallest"],
)
def test_gradient_checkpointing_changes_nothing(arch):
    net = build()
    net.activate(arch)
    net(X).square().mean().backward()
    expected = {name: parameter.grad for name, parameter in net.named_parameters()}
    net.zero_grad(set_to_none=True)
    net.set_grad_checkpointing()
    logits = net(X)
    logits.square().mean().backward()
    with torch.no_grad():
        torch.testing.assert_close(logits, net.extract()(X))
    for name, parameter in net.named_parameters():
        if expected[name] is None:
            assert parameter.grad is None, name
        else:
            torch.testing.assert_close(parameter.grad, expected[name], msg=name)
