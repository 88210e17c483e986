"""NNI's two layerwise distillers with the alpha-divergences among their losses."""

from __future__ import annotations

import importlib.metadata
from collections import defaultdict
from collections.abc import Callable
from types import MethodType
from typing import Any, cast

from nni.compression.distillation.basic_distiller import (
    Adaptive1dLayerwiseDistiller,
    DynamicLayerwiseDistiller,
    TeacherModelBasedDistiller,
)
from nni.compression.utils import Evaluator, LightningEvaluator, TransformersEvaluator
from torch import Tensor, nn

from .distill_config import as_nni_has_it, checked_config_list, own_parameters
from .distill_losses import DistillLoss, build_distill_loss


class _WithAlphaMethods(TeacherModelBasedDistiller):
    """What the two share: our methods in the config list, and cures for what NNI 3.0 breaks on the way."""

    def __init__(
        self,
        model: nn.Module,
        config_list: list[dict[str, Any]],
        evaluator: Evaluator,
        teacher_model: nn.Module,
        teacher_predict: Callable[[Any, nn.Module], Any],
        origin_loss_lambda: float = 1.0,
        existed_wrappers: dict[str, Any] | None = None,
    ) -> None:
        _check_evaluator(evaluator)
        if model is teacher_model:
            raise ValueError("model and teacher_model are one and the same; a student cannot teach itself")
        self.teacher_model = teacher_model  # before NNI sets it: its __init__ validates the links
        super().__init__(
            model, config_list, evaluator, teacher_model, teacher_predict, origin_loss_lambda, existed_wrappers
        )
        self._losses = {
            (module_name, target_name): _loss_of(target.setting)
            for module_name, targets in self._target_spaces.items()
            for target_name, target in targets.items()
        }

    def _validate_config(self) -> None:
        ours = checked_config_list(self.config_list, self.bound_model, self.teacher_model)
        self.config_list = as_nni_has_it(ours)
        super()._validate_config()
        self.config_list = ours

    def compute_distill_loss(self) -> Tensor | float:
        """Sum over the targets of lambda times the smallest loss against a linked output of the teacher.

        A target that the step did not run counts nothing, as in NNI.

        Raises:
            ValueError: Outputs whose shapes differ, or `teacher_predict` did not run the linked module.
        """
        total: Tensor | float = 0.0
        try:
            for module_name, targets in self._target_spaces.items():
                for target_name, target in targets.items():
                    if target.hidden_state is not None:
                        total = total + min(self._target_losses(module_name, target_name, target.hidden_state))
        finally:
            for spaces in (self._target_spaces, self._teacher_target_spaces):
                for targets in spaces.values():
                    for target in targets.values():
                        target.clean()
        return total

    def _target_losses(self, module_name: str, target_name: str, output: Tensor) -> list[Tensor]:
        """lambda times the loss of one target's output against each of its links."""
        target = self._target_spaces[module_name][target_name]
        student = self._aligned(module_name, target_name, output)
        losses = []
        for link in target.link:
            teacher = self._teacher_target_spaces[link][target_name].hidden_state
            if teacher is None:
                raise ValueError(
                    f"the student ran {module_name!r}, but teacher_predict did not run {link!r} of teacher_model; "
                    "it must call the model that it is given"
                )
            between = f"{target_name!r} of {module_name!r} and of the teacher's {link!r}"
            loss = self._loss(module_name, target_name, between, student, teacher.detach().to(student.device))
            losses.append(cast(float, target.lambda_) * loss)
        return losses

    def _loss(self, module_name: str, target_name: str, between: str, student: Tensor, teacher: Tensor) -> Tensor:
        if student.shape != teacher.shape:
            raise ValueError(
                f"{between} differ in shape: {tuple(student.shape)} and {tuple(teacher.shape)}; link outputs of one "
                "shape, or use AlphaAdaptive1dLayerwiseDistiller where only the last dimension differs"
            )
        try:
            return self._losses[module_name, target_name](student, teacher)
        except ValueError as error:
            raise ValueError(f"{between}: {error}") from None

    def _aligned(self, module_name: str, target_name: str, student: Tensor) -> Tensor:  # noqa: ARG002
        return student

    def _fusion_compress(self, max_steps: int | None, max_epochs: int | None) -> None:
        if not max_steps and not max_epochs:
            raise ValueError("say how long to distil: compress(max_steps=..., max_epochs=...), one of them above 0")
        if not isinstance(self.evaluator, LightningEvaluator) or not max_steps:
            super()._fusion_compress(max_steps, max_epochs)
            return
        # NNI assigns fit_loop.max_steps, which Lightning 2 does not allow: the copy of the trainer that the evaluator
        # makes for this run gets it as an argument instead.
        arguments = self.evaluator.trainer.trace_kwargs  # pyright: ignore[reportAttributeAccessIssue]
        before = dict(arguments)
        arguments["max_steps"] = max_steps
        try:
            super()._fusion_compress(None, max_epochs or -1)  # -1 is no limit
        finally:
            arguments.clear()
            arguments.update(before)


class AlphaLayerwiseDistiller(_WithAlphaMethods, DynamicLayerwiseDistiller):
    """NNI's DynamicLayerwiseDistiller whose `apply_method` may also be 'adaptive_alpha' or 'alpha'.

    Each target of the student (the output of a module) is compared with its linked outputs of the teacher, and the
    smallest of these losses, times `lambda`, is added to `origin_loss_lambda` times the evaluator's own loss.

    The methods and their keys are those of the ``kd`` sections in `config.KDConfig` (``adaptive_alpha``, ``alpha``,
    ``kl``, ``reverse_kl``, ``symmetric_kl``), and NNI's ``mse``, which has none. The temperature of ``kl`` is 2 by
    default, as in NNI. A whole section may stand in the entry instead: ``"kd": {"name": "alpha", "alpha": -1}``.

    clip=None is no clipping. With a temperature T a divergence is that of softmax(outputs / T) times T^2, so alpha at
    alpha=1, temperature=2 is NNI's own kl. Divergences take the last dimension for the classes: of outputs (B, ..., K)
    the positions between are summed and the samples averaged, which is NNI's batchmean. Shapes must agree.

    Every other key is NNI's (op_names, op_types, lambda, link, target_names, target_settings, ...). A method's keys may
    stand in `target_settings` too; an output that has settings there takes none from the entry, as in NNI.

    The teacher is run as it is: call `teacher_model.eval()` first, or its BatchNorm learns from the student's batches.

    Raises:
        ValueError: A key, value or module name in config_list that is not allowed, naming entry and nearest; an
            evaluator that cannot work.
    """


class AlphaAdaptive1dLayerwiseDistiller(_WithAlphaMethods, Adaptive1dLayerwiseDistiller):
    """NNI's Adaptive1dLayerwiseDistiller with the methods of `AlphaLayerwiseDistiller`.

    Where the last dimensions of a student's and its teacher's output differ, a linear layer between them is trained
    along. Call `track_forward(images)` once before `compress`; each target has one link. The config list is that of
    `AlphaLayerwiseDistiller`. `trans_linears[module][target]` holds the layers (None where widths agree).
    """

    def _register_trans_linear(self) -> None:
        if hasattr(self, "trans_linears"):  # compress() goes on with the layers that it trained
            return
        linears: dict[str, dict[str, nn.Linear | None]] = defaultdict(dict)
        for module_name, targets in self._target_spaces.items():
            for target_name, target in targets.items():
                linears[module_name][target_name] = self._linear_for(module_name, target_name, target)
        self.trans_linears = linears

    def _linear_for(self, module_name: str, target_name: str, target: Any) -> nn.Linear | None:
        if len(target.link) != 1:
            raise ValueError(f"{module_name!r} must have one link in {type(self).__name__}, got {target.link}")
        student = target.hidden_state
        teacher = self._teacher_target_spaces[target.link[0]][target_name].hidden_state
        if student is None or teacher is None:
            raise ValueError(
                f"the widths of {module_name!r} and {target.link[0]!r} are not known: call track_forward(images), with "
                "one batch, before compress()"
            )
        if student.shape[-1] == teacher.shape[-1]:
            return None
        return nn.Linear(student.shape[-1], teacher.shape[-1], device=student.device, dtype=student.dtype)

    def _register_linears_optimization(self, evaluator: Evaluator) -> None:
        parameters: dict[str, list[Tensor]] = {
            name: [parameter for linear in linears.values() if linear is not None for parameter in linear.parameters()]
            for name, linears in self.trans_linears.items()
        }
        parameters = {name: found for name, found in parameters.items() if found}
        if not parameters:
            return
        # NNI's own search for the parameter group fails on a model with a parameter of its root, such as a ViT's
        # class token.
        evaluator._optimizer_add_param_group = MethodType(_add_to_groups, evaluator)
        evaluator.patch_optim_param_group(parameters)

    def _aligned(self, module_name: str, target_name: str, student: Tensor) -> Tensor:
        linear = self.trans_linears[module_name][target_name]
        return student if linear is None else linear.to(student.device)(student)


def _add_to_groups(_: Evaluator, model: nn.Module, parameters: dict[str, list[Tensor]], optimizers: Any) -> None:
    """Let the parameters that belong to each named module learn as the module's own do, else as the first group."""
    optimizers = list(optimizers) if isinstance(optimizers, (list, tuple)) else [optimizers]
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    modules = {name.replace("._nni_wrapper", ""): module for name, module in model.named_modules()}
    for name, extra in parameters.items():
        own = {id(parameter) for parameter in modules[name].parameters()}
        holding = (group for group in groups if own & {id(parameter) for parameter in group["params"]})
        next(holding, groups[0])["params"].extend(extra)


def _check_evaluator(evaluator: Evaluator) -> None:
    if isinstance(evaluator, TransformersEvaluator):
        version = importlib.metadata.version("transformers")
        if int(version.partition(".")[0]) >= 5:
            raise ValueError(
                f"NNI's TransformersEvaluator does not work with transformers {version} (NNI is archived, 4 was its "
                "last); use TorchEvaluator or LightningEvaluator"
            )


def _loss_of(setting: dict[str, Any]) -> DistillLoss:
    return build_distill_loss(setting.get("apply_method"), own_parameters(setting))
