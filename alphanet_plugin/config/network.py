"""What the YAML file of a run that trains one network may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .identity import free
from .kd import AdaptiveAlphaConfig, KDConfig, NoKDConfig
from .loop import LoopConfig, check_shares
from .require import expand_user, require, require_seed
from .schema import DataConfig


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """A network that timm builds.

    Attributes:
        name: A name for `timm.create_model`, such as ``mobilenetv2_050`` or ``mobilenetv2_100.ra_in1k``; or a folder
            that holds ``config.json`` and weights, such as ``runs/distill/digits/model``.
        pretrained: false for random weights; true for those that timm has by that name, or that lie in that folder;
            otherwise a tag of timm's, or the path of a folder or a weight file.
        drop_rate: Dropout before the classifier.
        drop_path_rate: Stochastic depth.
        options: What else `timm.create_model` is given, such as ``{img_size: 32}``.
    """

    name: str
    pretrained: bool | str = False
    drop_rate: float = 0.0
    drop_path_rate: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        require(bool(self.name), "name is empty")
        check_shares(self, "drop_rate", "drop_path_rate")


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """A trained network that teaches and does not change.

    Attributes:
        name: As that of the model.
        pretrained: As that of the model, but never false.
        options: As those of the model.
        weight: b of (1 - b) CE + b T^2 KD (AlphaNet, appendix C, eq. 8), from 0 to 1.
        views: So many augmented views are made of each training image, and epochs take them in turn, so that the
            teacher sees each once and its logits are kept. None for a new view in every epoch, with the teacher run in
            every step. Without augmentation there is one view whatever this says. With kd ``none`` the student still
            sees these views.
        image_size: Side of the images that it is given, resized from the student's; by default the one that it was
            trained at.
        cache: Folder to keep logits in; by default ``teacher_logits`` in the run's folder. Runs may share one: what
            is kept there is found by the teacher's weights, the images and the views. 4 bytes a class and view.
    """

    name: str
    pretrained: bool | str = True
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    weight: float = 0.9
    views: int | None = None
    image_size: int | None = None
    cache: str | None = free(None)

    def __post_init__(self) -> None:
        require(bool(self.name), "name is empty")
        require(
            bool(self.pretrained), "pretrained: a teacher needs trained weights: true, a tag of timm's, or their path"
        )
        require(0 <= self.weight <= 1, f"weight must be from 0 to 1, not {self.weight}")
        require(
            self.image_size is None or self.image_size >= 8,
            f"image_size must be at least 8 pixels, not {self.image_size}",
        )
        require(self.views is None or self.views >= 1, f"views must be at least 1, not {self.views}")


@dataclass(frozen=True, kw_only=True)
class NetworkTrainingConfig(LoopConfig):
    """The training of one network; the keys of `LoopConfig`, and what recipes of single networks add.

    Attributes:
        optimizer: timm's name of an optimiser, such as ``sgd`` (with Nesterov's momentum) or ``adamw``.
        final_lr: The cosine ends at this rate for 256 images a step.
        mixup: Alpha of mixup; 0 for none.
        cutmix: Alpha of cutmix; 0 for none. With both, each batch gets one of them.
        erasing: Probability of random erasing.
        repeats: How often an epoch takes an image, each time augmented anew; it goes through so much fewer images.
    """

    optimizer: str = "sgd"
    final_lr: float = 0.0
    clip_value: float | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    erasing: float = 0.0
    repeats: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.final_lr <= self.lr, f"final_lr must be from 0 to lr ({self.lr}), not {self.final_lr}")
        for name in ("mixup", "cutmix"):
            require(getattr(self, name) >= 0, f"{name} must be 0 or more, not {getattr(self, name)}")
        require(
            not (self.mixup or self.cutmix) or self.batch_size % 2 == 0,
            f"batch_size must be even with mixup or cutmix, not {self.batch_size}",
        )
        require(0 <= self.erasing <= 1, f"erasing must be from 0 to 1, not {self.erasing}")
        require(self.repeats >= 1, f"repeats must be at least 1, not {self.repeats}")


@dataclass(frozen=True, kw_only=True)
class NetworkRunConfig:
    """A run that trains one network on labels, and on a teacher's logits where there is one (AlphaNet, section 4.4).

    Attributes:
        output: Folder of the run: config, log, checkpoints, teacher's logits, metrics, and the trained ``model``.
        seed: Of everything random.
        kd: How the student learns from the teacher: any of a supernet's losses, or ``none`` for the labels alone. Not
            given: ``adaptive_alpha`` where there is a teacher.
    """

    output: str = free()
    seed: int = 0
    model: NetworkConfig
    teacher: TeacherConfig | None = None
    data: DataConfig = field(default_factory=DataConfig)
    kd: KDConfig | None = None
    training: NetworkTrainingConfig = field(default_factory=NetworkTrainingConfig)

    def __post_init__(self) -> None:
        expand_user(self, "output")
        require_seed(self.seed)
        require(
            self.teacher is not None or isinstance(self.distillation, NoKDConfig),
            f"kd.name {self.distillation.name} learns from a teacher; give teacher.name, or kd.name none to learn from "
            "labels alone",
        )
        mixed = self.training.mixup or self.training.cutmix
        require(
            self.teacher is None or self.teacher.views is None or not mixed,
            "teacher.views keeps what the teacher says of each view, and mixup and cutmix make new images of them; "
            "give one of the two",
        )

    @property
    def distillation(self) -> KDConfig:
        """`kd`, or what stands for it where it is not given."""
        return self.kd or (AdaptiveAlphaConfig() if self.teacher else NoKDConfig())

    @property
    def distils(self) -> bool:
        """Whether a teacher has a say."""
        return not isinstance(self.distillation, NoKDConfig)
