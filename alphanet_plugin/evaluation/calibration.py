"""Re-estimate BatchNorm statistics of a subnet.

The statistics of a supernet belong to no subnet in particular (its training uses those of the batch), so a subnet's are
reset and averaged over training images before it is evaluated or published: 64 batches of 256 in the AlphaNet paper's
figures, 32 in its search.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..models import BnRule, family_of
from ..spaces import SearchSpace
from .placement import Placement, modes_kept

Model = TypeVar("Model", bound=nn.Module)


def recalibrate_bn(model: Model, batches: Iterable[Tensor | Sequence[Tensor]], rule: BnRule | None = None) -> Model:
    """Set every BatchNorm's running statistics to their average over `batches`.

    The running mean becomes the mean of the batches' means, the running variance the mean of their variances. BatchNorm
    normalises by each batch's own statistics meanwhile. Everything but BatchNorm is in eval mode (no dropout, no drop
    path). Afterwards every mode and momentum is as before; if anything fails, the statistics are too.

    Args:
        model: changed in place. Without BatchNorm it is returned as it is.
        batches: images (B, C, S, S), or (images, labels) of which the labels are ignored; moved to the model's device
            and floating-point type.
        rule: "cumulative", the released AlphaNet program's and torch's own: each batch counts the same, and variances
            are unbiased. "weighted", once-for-all's: a batch counts as much as it has images, and variances are biased.
            None: that of the family of the model's space, and "cumulative" for a model without one.

    Returns:
        The model.
    """
    rule = rule or _rule_of(model)
    if rule not in ("cumulative", "weighted"):
        raise ValueError(f"rule must be 'cumulative' or 'weighted', not {rule!r}")
    norms = _tracking_norms(model)
    if not norms:
        return model
    placement = Placement.of(model)
    averaging = _averaging if rule == "cumulative" else _weighting
    with torch.no_grad(), _statistics_kept_on_error(norms), modes_kept(model):
        with averaging(model, norms) as share_of:
            count = 0
            for count, batch in enumerate(batches, start=1):
                for norm in norms.values():
                    norm.momentum = share_of(count)
                _forward(model, placement.put(batch if isinstance(batch, Tensor) else batch[0]))
        if count == 0:
            raise ValueError("recalibrate_bn needs at least one batch of images, got none")
        _check_finite(norms)
    return model


def norm_statistics(model: nn.Module) -> dict[str, Tensor]:
    """What BatchNorm has noted, by the buffers' names, on the CPU; `put_norm_statistics` gives it an equal model."""
    norms = _tracking_norms(model)
    return {
        f"{name}.{key}": buffer.detach().cpu()
        for name, norm in norms.items()
        for key, buffer in norm.named_buffers(recurse=False)
    }


def put_norm_statistics(model: nn.Module, statistics: Mapping[str, Tensor]) -> None:
    """The inverse of `norm_statistics`, in place."""
    buffers = dict(model.named_buffers())
    for name, value in statistics.items():
        buffers[name].copy_(value)


def _rule_of(model: nn.Module) -> BnRule:
    space = getattr(model, "space", None)
    return family_of(space).bn_rule if isinstance(space, SearchSpace) else "cumulative"


def _tracking_norms(model: nn.Module) -> dict[str, _BatchNorm]:
    norms = {name: module for name, module in model.named_modules() if isinstance(module, _BatchNorm)}
    without = [name for name, norm in norms.items() if norm.running_mean is None or not norm.track_running_stats]
    if without:
        others = f" and {len(without) - 3} others" if len(without) > 3 else ""
        raise ValueError(
            f"BatchNorm {', '.join(without[:3])}{others} keeps no running statistics (track_running_stats=False); "
            "give a model that keeps them, such as the extracted subnet of a supernet"
        )
    return norms


@contextmanager
def _averaging(model: nn.Module, norms: dict[str, _BatchNorm]) -> Iterator[Callable[[int], float]]:
    """Statistics reset and accumulated as a cumulative average, by BatchNorm alone.

    Yields the momentum of each batch, counted from 1: torch's own for a momentum of None, for which each BatchNorm
    would ask the device how many batches there were, and wait.
    """
    momenta = {name: norm.momentum for name, norm in norms.items()}
    for module in model.modules():
        module.training = False
    try:
        for norm in norms.values():
            norm.reset_running_stats()
            norm.training = True  # not train(), which would wake a dropout inside timm's BatchNormAct2d
        yield lambda batch: 1.0 / batch
    finally:
        for name, norm in norms.items():
            norm.momentum = momenta[name]


@contextmanager
def _weighting(model: nn.Module, norms: dict[str, _BatchNorm]) -> Iterator[Callable[[int], float]]:
    """Statistics reset and averaged with the batches' sizes as weights, from what BatchNorm notes of each batch."""
    sums = {norm: _Sums(norm) for norm in norms.values()}
    handles = [norm.register_forward_hook(add) for norm, add in sums.items()]
    try:
        with _averaging(model, norms):
            yield lambda batch: 1.0  # the running statistics are then the last batch's  # noqa: ARG005
    finally:
        for handle in handles:
            handle.remove()
    for add in sums.values():
        add.write()


class _Sums:
    """A forward hook of a BatchNorm that adds up the mean and biased variance of every batch, times its images."""

    def __init__(self, norm: _BatchNorm):
        self.norm = norm
        self.mean = self.var = None
        self.images = 0

    def __call__(self, norm: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG002
        x = inputs[0]
        values = x.numel() // x.shape[1]
        mean, var = self.norm.running_mean, self.norm.running_var
        assert mean is not None
        assert var is not None
        var = var * ((values - 1) / values)  # torch notes the unbiased one
        self.mean = len(x) * mean + (0 if self.mean is None else self.mean)
        self.var = len(x) * var + (0 if self.var is None else self.var)
        self.images += len(x)

    def write(self) -> None:
        """Set the running statistics to the average."""
        if self.mean is None or self.var is None:
            return
        assert self.norm.running_mean is not None
        assert self.norm.running_var is not None
        self.norm.running_mean.copy_(self.mean / self.images)
        self.norm.running_var.copy_(self.var / self.images)


@contextmanager
def _statistics_kept_on_error(norms: dict[str, _BatchNorm]) -> Iterator[None]:
    kept = {name: {key: buffer.clone() for key, buffer in norm.named_buffers()} for name, norm in norms.items()}
    try:
        yield
    except BaseException:
        for name, norm in norms.items():
            for key, buffer in norm.named_buffers():
                buffer.copy_(kept[name][key])
        raise


def _forward(model: nn.Module, images: Tensor) -> None:
    if images.ndim == 0 or len(images) == 0:
        raise ValueError(f"recalibrate_bn needs batches of at least one image, got shape {tuple(images.shape)}")
    try:
        model(images)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            f"a batch of shape {tuple(images.shape)} leaves BatchNorm one value per channel, which has no variance; "
            "use batches of at least 2 images (drop an incomplete last one)"
        ) from error


def _check_finite(norms: dict[str, _BatchNorm]) -> None:
    finite = [_is_finite(norm.running_mean) & _is_finite(norm.running_var) for norm in norms.values()]
    for name, is_finite in zip(norms, torch.stack(finite).tolist(), strict=True):  # asked of the device once
        if not is_finite:
            raise ValueError(
                f"the statistics of BatchNorm {name} are not finite; "
                "look for NaN or infinity in the calibration images or in the model's weights"
            )


def _is_finite(buffer: Tensor | None) -> Tensor:
    assert buffer is not None
    return buffer.isfinite().all()
