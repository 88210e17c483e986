"""What the losses share in computing: one softmax a network, row blocks, and at most four times the logits' bytes."""

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from alphanet_plugin.losses import (
    AdaptiveAlphaDivergence,
    AlphaDivergence,
    KLDivergence,
    ReverseKLDivergence,
    SymmetricKLDivergence,
    one_pass,
)

BATCH, CLASSES = 256, 1000

every_loss = pytest.mark.parametrize(
    "loss",
    [
        KLDivergence(),
        ReverseKLDivergence(),
        SymmetricKLDivergence(),
        AlphaDivergence(-1.0),
        *(AdaptiveAlphaDivergence(form=form) for form in ("reference", "paper", "exact")),
        AdaptiveAlphaDivergence(form="exact", temperature=4.0),
    ],
    ids=repr,
)


def logits_pair(batch, classes, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    student, teacher = (2 * torch.randn(batch, classes, generator=generator) for _ in range(2))
    return student.to(dtype).requires_grad_(), teacher.to(dtype)


@every_loss
def test_row_blocks_do_not_change_the_result(loss, monkeypatch):
    student, teacher = logits_pair(17, 13, torch.float64)
    whole = loss.per_sample(student, teacher)
    (slope,) = torch.autograd.grad(whole.sum(), student)
    for workspace in (1, 13, 40):
        monkeypatch.setattr(one_pass, "_WORKSPACE", workspace)
        each = loss.per_sample(student, teacher)
        torch.testing.assert_close(each, whole)
        torch.testing.assert_close(torch.autograd.grad(each.sum(), student)[0], slope)


class Softmaxes(TorchDispatchMode):
    """Counts the entries of which a log softmax or softmax is taken, forward or backward."""

    entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if "softmax" in str(func):
            self.entries += out.numel()
        return out


@every_loss
def test_the_softmax_of_each_network_is_taken_once(loss):
    student, teacher = logits_pair(6, 11)
    with Softmaxes() as count:
        loss(student, teacher).backward()
    assert count.entries == 2 * student.numel()


class PeakBytes(TorchDispatchMode):
    """Counts the bytes of the storages that operations made and that are still alive."""

    def __init__(self, *known):
        super().__init__()
        self.known = {tensor.untyped_storage()._cdata for tensor in known}
        self.alive = {}
        self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in (leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)):
            storage = tensor.untyped_storage()
            if storage._cdata not in self.known:
                self.alive[storage._cdata] = storage._weak_ref(), storage.nbytes()
        self.alive = {key: kept for key, kept in self.alive.items() if not self.gone(kept[0])}
        self.peak = max(self.peak, sum(size for _, size in self.alive.values()))
        return out

    @staticmethod
    def gone(reference):
        return torch.UntypedStorage._expired(reference)


@every_loss
def test_peak_memory_and_one_saved_tensor(loss, monkeypatch):
    """At most four times the logits beyond them, of which forward keeps one.

    The workspace is as large beside these logits as the shipped one is beside 4096 x 1000.
    """
    monkeypatch.setattr(one_pass, "_WORKSPACE", one_pass._WORKSPACE * BATCH // 4096)
    student, teacher = logits_pair(BATCH, CLASSES)
    saved = []
    with saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t), PeakBytes(student, teacher) as memory:
        loss(student, teacher).backward()
    assert [t.shape for t in saved if t.ndim == 2] == [student.shape]
    assert memory.peak <= 4 * student.nbytes
    assert memory.peak >= 2 * student.nbytes  # the meter works: what forward keeps, and the gradient
