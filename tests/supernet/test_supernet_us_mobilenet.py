"""A slimmable supernet and its extracted subnets are one network, with two sets of weights."""

import numpy as np
import pytest
import timm
import torch
from torch.nn import functional as F

from alphanet_plugin import get_space
from alphanet_plugin.models import UsMobileNet
from alphanet_plugin.supernet import ElasticConv2d, build_supernet

NAMES = ("us_mobilenet_v1", "us_mobilenet_v2")
CLASSES = 7


def images(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture(scope="module", params=NAMES)
def supernet(request):
    net = build_supernet(get_space(request.param, resolutions=(32, 40)), num_classes=CLASSES).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
            if tensor.ndim == 1:  # no BatchNorm at a value that hides it
                noise = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
                tensor.copy_(0.5 + noise if name.endswith(("weight", "var")) else noise - 0.5)
    return net


def archs(space):
    rng = np.random.default_rng(0)
    return [space.smallest(), space.largest(), *(space.sample(rng) for _ in range(2))]


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_subnet_computes_what_the_supernet_does(supernet, training):
    supernet.train(training)
    x = images(3, 3, 45, 38)
    for arch in archs(supernet.space):
        supernet.activate(arch)
        subnet = supernet.extract()
        assert isinstance(subnet, UsMobileNet)
        assert not any(isinstance(module, ElasticConv2d) for module in subnet.modules())
        assert subnet.arch == arch
        with torch.no_grad():
            logits, expected = supernet(x), subnet(x)
        assert (logits - expected).abs().max() < 1e-7 * expected.abs().max()


def test_gradients_are_the_subnets(supernet):
    """In the leading slices as in the subnet, and zero elsewhere."""
    supernet.train()
    arch = archs(supernet.space)[2]
    supernet.activate(arch)
    subnet = supernet.extract()
    x = images(4, 3, 32, 32)
    for net in (supernet, subnet):
        net.zero_grad()
        net(x).square().sum().backward()
    mine = dict(supernet.named_parameters())
    largest = max(float(parameter.grad.abs().max()) for parameter in subnet.parameters())
    for name, parameter in subnet.named_parameters():
        whole = mine[name].grad
        part = whole[tuple(slice(size) for size in parameter.shape)]
        torch.testing.assert_close(part, parameter.grad, rtol=1e-5, atol=1e-9 * largest)
        assert whole.count_nonzero() == part.count_nonzero()
    supernet.zero_grad(set_to_none=True)


def test_it_is_the_widest_static_model(supernet):
    static = timm.create_model(supernet.space.name, num_classes=CLASSES, device="meta")
    assert {n: t.shape for n, t in supernet.state_dict().items()} == {
        n: t.shape for n, t in static.state_dict().items()
    }
    assert supernet.extract(supernet.space.largest()).state_dict().keys() == static.state_dict().keys()


def test_archs_are_validated(supernet):
    with pytest.raises(ValueError, match=r"gene width: 0\.2 "):
        supernet.activate({"resolution": 32, "width": 0.2})
    with pytest.raises(ValueError, match=r"resolution: 224 .* 32, 40"):
        supernet.extract(get_space(supernet.space.name).smallest())


def test_input_is_resized_to_the_active_resolution(supernet):
    supernet.eval()
    for arch in (supernet.space.smallest(), supernet.space.largest()):
        supernet.activate(arch)
        x, side = images(2, 3, 36, 36), arch.resolution
        resized = F.interpolate(x, size=(side, side), mode="bicubic", align_corners=False)
        assert supernet.resize(resized) is resized, "images of that side are left alone"
        with torch.no_grad():
            torch.testing.assert_close(supernet(x), supernet(resized))


@pytest.mark.parametrize("options", [{"drop_rate": 0.5}, {"drop_path_rate": 0.9}], ids=str)
def test_dropping_acts_where_asked_and_only_in_training(options):
    space = get_space("us_mobilenet_v2", resolutions=(32,))
    net = build_supernet(space, num_classes=5, **options)
    x = images(8, 3, 32, 32).float()

    def differs(drop):
        net.activate(space.largest(), drop=drop)
        with torch.no_grad():
            return not torch.equal(net(x), net(x))

    net.train()
    assert differs(True)
    assert not differs(False)
    net.eval()
    assert not differs(True)
