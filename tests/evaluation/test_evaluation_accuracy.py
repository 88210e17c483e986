import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from alphanet_plugin.evaluation import Metrics, evaluate


class Lookup(nn.Module):
    """Images that are logits: (B, K, 1, 1) -> (B, K), but for a dropout that must sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.9)
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x):
        assert not torch.is_grad_enabled()
        return self.drop(x.flatten(1)) * self.weight


LOGITS = torch.tensor([
    [9.0, 1, 2, 3, 4, 5, 6],
    [9.0, 1, 2, 3, 4, 5, 6],
    [9.0, 1, 2, 3, 4, 5, 6],
    [0.0, 8, 2, 3, 4, 5, 6],
    [0.0, 8, 2, 3, 4, 5, 6],
])  # fmt: skip
LABELS = torch.tensor([0, 3, 2, 1, 0])  # first; fifth; sixth; first; seventh


def split(sizes: list[int], logits=LOGITS, labels=LABELS):
    return list(zip(logits[:, :, None, None].split(sizes), labels.split(sizes), strict=True))


@pytest.mark.parametrize("sizes", [[5], [4, 1], [1, 1, 3]])
def test_figures_by_hand(sizes):
    rows = [[math.exp(v) for v in row] for row in LOGITS.tolist()]
    loss = -sum(math.log(row[k] / sum(row)) for row, k in zip(rows, LABELS.tolist(), strict=True)) / 5
    metrics = evaluate(Lookup().train(), split(sizes))
    assert metrics == Metrics(top1=40.0, top5=60.0, loss=pytest.approx(loss, rel=1e-6), count=5)


def test_fewer_than_five_classes():
    metrics = evaluate(Lookup(), split([2], LOGITS[:2, :3], torch.tensor([1, 0])))
    assert (metrics.top1, metrics.top5) == (50.0, None)  # top-5 of three classes is no figure
    assert "top5" not in metrics.to_dict()


def test_the_models_type_and_mode_are_kept():
    net = Lookup().double().train()
    net.drop.eval()
    metrics = evaluate(net, iter(split([5])))
    assert net.training
    assert not net.drop.training
    assert metrics.loss == pytest.approx(float(F.cross_entropy(LOGITS.double(), LABELS)), rel=1e-12)
    net.drop.train()
    with pytest.raises(ValueError, match="does not fit"):
        evaluate(net, split([1], LOGITS[:1], torch.tensor([7])))
    assert net.drop.training


def test_half_precision_logits_are_summed_in_float32():
    metrics = evaluate(Lookup().bfloat16(), split([5]))
    assert metrics.loss == pytest.approx(float(F.cross_entropy(LOGITS, LABELS)), rel=1e-5)


def test_not_a_number_is_wrong():
    logits = LOGITS.clone()
    logits[0] = float("nan")
    metrics = evaluate(Lookup(), split([5], logits))
    assert (metrics.top1, metrics.top5) == (20.0, 40.0)
    assert math.isnan(metrics.loss)


@pytest.mark.parametrize(("given", "message"), [
    ([], "at least one image"),
    ([(torch.zeros(0, 7, 1, 1), torch.zeros(0, dtype=torch.int64))], "at least one image"),
    (split([5], labels=torch.tensor([0, 1, 2, 7, 1])), r"label 7 does not fit a network of 7 classes \(0\.\.6\)"),
    (split([5], labels=torch.tensor([0, -1, 2, 3, 1])), "label -1 does not fit"),
    (split([5], labels=torch.zeros(5)), "integer labels, got torch.float32"),
    ([(LOGITS[:, :, None, None], LABELS[:4])], r"got \(5, 7\) and \(4,\)"),
])  # fmt: skip
def test_wrong_batches_are_explained(given, message):
    with pytest.raises(ValueError, match=message):
        evaluate(Lookup(), given)


def test_metrics_cannot_be_changed():
    metrics = evaluate(Lookup(), split([5]))
    with pytest.raises(AttributeError):
        metrics.top1 = 100.0
