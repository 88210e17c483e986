"""How NNI's one-shot strategies mutate the native face.

NNI's differentiable modules keep their parameters in a torch ParameterDict under the label, which must not hold a dot;
those here hold any label. Proxyless knows no mixed operations; here it samples one value a label, and straight-through
gates carry the gradient to the probabilities (ProxylessNAS, ICLR 2019, section 3.2, with one sampled path).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import torch
from nni.mutable import MutableExpression
from nni.nas.nn.pytorch import Repeat
from nni.nas.oneshot.pytorch.supermodule.differentiable import DifferentiableMixedRepeat, MixedOpDifferentiablePolicy
from nni.nas.oneshot.pytorch.supermodule.operation import NATIVE_MIXED_OPERATIONS, MixedOperation
from nni.nas.oneshot.pytorch.supermodule.sampling import PathSamplingRepeat
from nni.nas.strategy import DARTS, Proxyless
from torch import nn

from .native_network import Resize, resize

Hook = Callable[[nn.Module, str, dict[str, Any], dict[str, Any]], Any]


def native_hooks(strategy: Any) -> list[Hook]:
    """The hooks that a strategy needs before its own."""
    if isinstance(strategy, Proxyless):
        return [_with_policy(GatedPolicy, operation) for operation in _OPERATIONS] + [GatedRepeat.mutate]
    if isinstance(strategy, DARTS):
        return [_with_policy(LabelledPolicy, operation) for operation in _OPERATIONS] + [LabelledMixedRepeat.mutate]
    return [MixedResize.mutate]


def _with_policy(policy: type, operation: type[MixedOperation]) -> Hook:
    def hook(module: nn.Module, name: str, memo: dict[str, Any], mutate_kwargs: dict[str, Any]) -> Any:
        return operation.mutate(module, name, memo, {**mutate_kwargs, "mixed_op_sampling": policy})

    return hook


class LabelledParameters(nn.ParameterDict):
    """A ParameterDict whose keys may hold dots."""

    def _key_to_attr(self, key: str) -> str:
        return key.replace(".", "/")


class MixedResize(MixedOperation, Resize):
    """`Resize` to the sampled side; in a mixture, to each side and back to the largest, weighted."""

    bound_type = Resize
    argument_list = ["size"]  # noqa: RUF012

    def super_init_argument(self, name: str, value_choice: MutableExpression) -> int:  # noqa: ARG002
        return max(value_choice.grid())

    def freeze_weight(self, **_: Any) -> dict[str, torch.Tensor]:
        return {}

    def forward_with_args(self, size: int | dict[int, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        if isinstance(size, int):
            return resize(x, size)
        largest = max(size)
        mixed = [resize(resize(x, side), largest) * weight for side, weight in size.items()]
        return torch.stack(mixed).sum(0)


_OPERATIONS = [*NATIVE_MIXED_OPERATIONS, MixedResize]


class LabelledPolicy(MixedOpDifferentiablePolicy):
    """NNI's differentiable policy, for labels with dots."""

    def __init__(self, operation: MixedOperation, memo: dict[str, Any], mutate_kwargs: dict[str, Any]):
        labels = operation.simplify()
        operation._arch_alpha = LabelledParameters({label: memo[label] for label in labels})
        operation.arch_parameters = partial(  # type: ignore[assignment]
            self.arch_parameters, module=operation
        )
        operation._softmax = mutate_kwargs.get("softmax", nn.Softmax(-1))


class LabelledMixedRepeat(DifferentiableMixedRepeat):
    """NNI's differentiable Repeat, for labels with dots."""

    def __init__(self, blocks: list[nn.Module], depth: MutableExpression, softmax: nn.Module, alphas: dict[str, Any]):
        super().__init__(blocks, depth, softmax, {})
        self._arch_alpha = LabelledParameters(alphas)


class GatedPolicy(LabelledPolicy):
    """One value a label, drawn by its probability; the output is multiplied by gates of value 1."""

    def __init__(self, operation: MixedOperation, memo: dict[str, Any], mutate_kwargs: dict[str, Any]):
        super().__init__(operation, memo, mutate_kwargs)
        self._sample: dict[str, Any] = {}

        def multiply(_module: nn.Module, _inputs: Any, output: Any) -> torch.Tensor:
            return output * self._gate(operation)

        operation.register_forward_hook(multiply)

    def resample(self, operation: MixedOperation, memo: dict[str, Any]) -> dict[str, Any]:
        self._sample = draw_by_probability(operation.simplify(), *_parameters(operation), memo)
        return self._sample

    def forward_argument(self, operation: MixedOperation, name: str) -> Any:
        if name not in operation.mutable_arguments:
            return operation.init_arguments[name]
        return operation.mutable_arguments[name].freeze(self._sample)

    def _gate(self, operation: MixedOperation) -> torch.Tensor:
        return gate(operation.simplify(), *_parameters(operation), self._sample)


def _parameters(operation: MixedOperation) -> tuple[nn.ParameterDict, nn.Module]:
    return cast(nn.ParameterDict, operation._arch_alpha), cast(nn.Module, operation._softmax)


class GatedRepeat(PathSamplingRepeat):
    """Repeat to one depth drawn by its probability, with a gate as in `GatedPolicy`."""

    def __init__(self, blocks: list[nn.Module], depth: MutableExpression, softmax: nn.Module, alphas: dict[str, Any]):
        super().__init__(blocks, depth)
        self._softmax = softmax
        self._arch_alpha = LabelledParameters(alphas)
        self._sample: dict[str, Any] = {}
        self.depth_choice: Any = depth

    @classmethod
    def mutate(cls, module: nn.Module, name: str, memo: dict[str, Any], mutate_kwargs: dict[str, Any]) -> Any:  # noqa: ARG003
        if type(module) is Repeat and isinstance(module.depth_choice, MutableExpression):
            depth = module.depth_choice
            alphas = {label: memo[label] for label in depth.simplify()}
            return cls(list(module.blocks), depth, mutate_kwargs.get("softmax", nn.Softmax(-1)), alphas)
        return None

    def arch_parameters(self) -> Iterator[nn.Parameter]:
        yield from self._arch_alpha.values()

    def resample(self, memo: dict[str, Any]) -> dict[str, Any]:
        self._sample = draw_by_probability(self.depth_choice.simplify(), self._arch_alpha, self._softmax, memo)
        self._sampled = self.depth_choice.freeze(self._sample)
        return self._sample

    export: Any = DifferentiableMixedRepeat.export
    export_probs: Any = DifferentiableMixedRepeat.export_probs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * gate(self.depth_choice.simplify(), self._arch_alpha, self._softmax, self._sample)


def draw_by_probability(
    choices: dict[str, Any], alphas: nn.ParameterDict, softmax: nn.Module, memo: dict[str, Any]
) -> dict[str, Any]:
    """A value for every label: the memo's, or one drawn by softmax(alpha), by torch's global generator."""
    with torch.no_grad():
        return {
            label: memo[label] if label in memo else choice.values[int(torch.multinomial(softmax(alphas[label]), 1))]
            for label, choice in choices.items()
        }


def gate(choices: dict[str, Any], alphas: nn.ParameterDict, softmax: nn.Module, sample: dict[str, Any]) -> torch.Tensor:
    """Of value 1; its gradient is that of the log-probability of the sampled values."""
    total = torch.ones(())
    for label, choice in choices.items():
        probability = softmax(alphas[label])[choice.values.index(sample[label])]
        total = total * (probability / probability.detach())
    return total
