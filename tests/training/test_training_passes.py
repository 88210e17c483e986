"""One step of DepS and one of once-for-all: gradients as the released programs compute them, in float64."""

import json
import zlib
from pathlib import Path

import numpy as np
import once_for_all
import pytest
import stand_in_weights
import torch
from once_for_all import SPACES, arch_of, checkpoint, images

from alphanet_plugin import get_space
from alphanet_plugin.losses import KLDivergence, Objective
from alphanet_plugin.supernet import build_supernet
from alphanet_plugin.training import Pass, add_gradients
from alphanet_plugin.weights.released import _once, _renaming

DATA = Path(once_for_all.__file__).parent
DEPS, OFA = (json.loads((DATA / name).read_text()) for name in ("deps_step.json", "ofa_step.json"))
SPACE = SPACES["mbv3"]
RENAME = _renaming(SPACE)
FULL = {"ks": 7, "e": 6, "d": 4}


def ours(name):
    return RENAME(_once(name))


def build(transform, state):
    net = build_supernet(SPACE, num_classes=1000, resize_input=False, kernel_transform=transform).double().train()
    own = {ours(name): tensor for name, tensor in state.items() if transform or not name.endswith("_matrix")}
    own["classifier.weight"] = 20 * own["classifier.weight"]
    net.load_state_dict(own)
    return net


def gradients(net):
    grads = {name: parameter.grad for name, parameter in net.named_parameters()}
    net.zero_grad(set_to_none=True)
    return {name: torch.zeros_like(net.get_parameter(name)) if grad is None else grad for name, grad in grads.items()}


def probe(name, grad):
    normal = np.random.default_rng(zlib.crc32(f"probe.{name}".encode())).standard_normal(tuple(grad.shape))
    return float((grad * torch.from_numpy(normal)).sum())


def close(value, expected, scale):
    """Relative to the gradient's norm, of which a probe is a random projection."""
    return abs(value - expected) <= 1e-5 * scale


@pytest.mark.parametrize("place", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_shrinking_step_of_deps(place):
    """The full model on labels, subnets by KD from the very logits of that pass, their gradients times epsilon."""
    net = build(False, checkpoint("mbv3"))
    batch, labels = images(*DEPS["images"]), torch.tensor(DEPS["labels"])
    on_labels, on_teacher = Objective(label_smoothing=DEPS["label_smoothing"]), Objective(KLDivergence())
    epsilon = DEPS["epsilons"][place]
    passes = [Pass(arch_of("mbv3", FULL), on_labels)]
    passes += [Pass(arch_of("mbv3", facts), on_teacher, scale=epsilon) for facts in DEPS["archs"]]
    losses = add_gradients(net, passes, batch, labels)
    assert losses.tolist() == pytest.approx([DEPS["losses"]["full"], *DEPS["losses"]["subnets_kl"]], rel=1e-6)
    grads = gradients(net)
    for name, facts in DEPS["parameters"].items():
        if name in DEPS["zero_gradient"]:
            continue
        grad, norm = grads[ours(name)], facts["shrink"][place]
        assert close(grad.norm().item(), norm, norm), name
        assert close(probe(name, grad), facts["probe"][place + 1], norm), name
    total = sum(grads[ours(name)].norm() ** 2 for name in DEPS["parameters"]) ** 0.5
    assert total.item() == pytest.approx(DEPS["total_norm"][str(epsilon)], rel=1e-6)


def test_a_progressive_shrinking_step_of_once_for_all():
    """Labels and a fixed teacher in training mode, summed; the kernel transform's matrices learn too."""
    net = build(True, checkpoint("mbv3"))
    state = {
        name: torch.from_numpy(stand_in_weights.tensor(f"teacher.{name}", tuple(value.shape))).to(value.dtype)
        for name, value in checkpoint("mbv3").items()
        if not name.endswith("_matrix")
    }
    teacher = build(False, state)
    teacher.activate(arch_of("mbv3", FULL))
    batch, labels = images(*OFA["images"]), torch.tensor(OFA["labels"])
    with torch.no_grad():
        logits = teacher(batch)
    objective = Objective(KLDivergence(), weight=OFA["kd_ratio"], label_smoothing=0.1, sum_up=True)
    passes = [Pass(arch_of("mbv3", facts), objective) for facts in OFA["archs"]]
    losses = add_gradients(net, passes, batch, labels, teacher_logits=logits)
    p = logits.softmax(dim=1)
    entropy = -(p * p.log()).sum(dim=1).mean().item()  # between KL and the soft cross entropy
    assert losses.tolist() == pytest.approx([sum(parts) - entropy for parts in OFA["losses_ce_kd"]], rel=1e-6)
    grads = gradients(net)
    for name, facts in OFA["parameters"].items():
        if name not in OFA["zero_gradient"]:
            grad = grads[ours(name)]
            assert close(grad.norm().item(), facts["norm"], facts["norm"]), name
            assert close(probe(name, grad), facts["probe"], facts["norm"]), name
    total = sum(grads[ours(name)].norm() ** 2 for name in OFA["parameters"]) ** 0.5
    assert total.item() == pytest.approx(OFA["total_norm"], rel=1e-6)


def test_gradients_added_in_place_are_autograds_own():
    """With a hook on every weight autograd makes each gradient; without, they are added where they lie."""
    space = get_space("ofa_mbv3_cifar", resolutions=(16,))
    torch.manual_seed(0)
    net = build_supernet(space, num_classes=5, resize_input=False).double().train()
    batch, labels = torch.randn(4, 3, 16, 16, dtype=torch.float64), torch.tensor([0, 1, 2, 3])
    rng = np.random.default_rng(0)
    passes = [Pass(arch, Objective(), scale=0.5) for arch in (space.smallest(), space.sample(rng), space.sample(rng))]

    def run():
        for _ in range(2):
            add_gradients(net, passes, batch, labels)
        grads = {name: parameter.grad for name, parameter in net.named_parameters()}
        net.zero_grad(set_to_none=True)
        return grads

    in_place, seen = run(), set()
    for name, parameter in net.named_parameters():
        parameter.register_hook(lambda _, name=name: seen.add(name))
    one_by_one = run()
    took_part = {name for name, grad in in_place.items() if grad is not None}
    assert took_part == seen == {name for name, grad in one_by_one.items() if grad is not None}
    assert len(seen) < len(in_place), "some take no part, and have no gradient"
    for name in seen:
        torch.testing.assert_close(in_place[name], one_by_one[name], rtol=1e-10, atol=1e-12)
