"""Label smoothing against torch's own, and where torch's gives up."""

import pytest
import torch
import torch.nn.functional as F

from alphanet_plugin.losses import LabelSmoothingCrossEntropy

LABELS = torch.tensor([0, 3, 6, 3])


def logits_of(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return (4 * torch.randn(4, 7, generator=generator, dtype=torch.float64)).to(dtype).requires_grad_()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("label_dtype", [torch.int64, torch.int32, torch.uint8], ids=str)
def test_equals_torchs_cross_entropy(smoothing, label_dtype):
    logits = logits_of()
    ours = LabelSmoothingCrossEntropy(smoothing)(logits, LABELS.to(label_dtype))
    torchs = F.cross_entropy(logits, LABELS, label_smoothing=smoothing)
    torch.testing.assert_close(ours, torchs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (ours, torchs)))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_soft_labels_are_torchs_too(smoothing):
    logits = logits_of()
    soft = torch.rand(4, 7, dtype=torch.float64).softmax(1)
    ours = LabelSmoothingCrossEntropy(smoothing)(logits, soft)
    torchs = F.cross_entropy(logits, soft, label_smoothing=smoothing)
    torch.testing.assert_close(ours, torchs)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (ours, torchs)))


def test_smooths_by_a_tenth_unless_told():
    assert LabelSmoothingCrossEntropy().smoothing == 0.1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_finite_for_huge_logits(dtype, smoothing):
    top = torch.finfo(dtype).max
    logits = torch.tensor([[top, -top, 0.0], [-top, -top, top], [-top, 1.0, 2.0]], dtype=dtype, requires_grad=True)
    loss = LabelSmoothingCrossEntropy(smoothing)(logits, torch.tensor([1, 0, 0]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, 1] < 0  # a label beyond the floor still pulls


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_and_autocast_compute_in_float32(dtype):
    logits = logits_of(dtype)
    loss = LabelSmoothingCrossEntropy()(logits, LABELS)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, F.cross_entropy(logits.float(), LABELS, label_smoothing=0.1))
    loss.backward()
    assert logits.grad.dtype == dtype
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(LabelSmoothingCrossEntropy()(logits, LABELS), loss)


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, float("nan"), "0.1", None, True])
def test_smoothing_must_be_a_share(smoothing):
    with pytest.raises(ValueError, match=f"smoothing must be a number from 0 to 1, got {smoothing!r}"):
        LabelSmoothingCrossEntropy(smoothing)


@pytest.mark.parametrize(
    ("logits", "labels", "words"),
    [
        (torch.zeros(4, 7), LABELS.float(), "labels must be integers.*float32"),
        (torch.zeros(4, 7), LABELS > 2, "labels must be integers.*bool"),
        (torch.zeros(5, 7), LABELS, r"labels must have shape \(B,\) = \(5,\).*got \(4,\)"),
        (torch.zeros(4, 7), LABELS.unsqueeze(1), r"labels must have shape .*got \(4, 1\)"),
        (torch.zeros(7), LABELS, "logits must have two dimensions"),
        (torch.zeros(4, 7, dtype=torch.int64), LABELS, "logits must be floating point"),
        (torch.zeros(0, 7), LABELS[:0], "at least one sample"),
    ],
)
def test_refuses_what_is_not_a_batch_of_labelled_logits(logits, labels, words):
    with pytest.raises(ValueError, match=words):
        LabelSmoothingCrossEntropy()(logits, labels)
