"""What the YAML file of a transfer to another data set may say."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

from .identity import free, left_open
from .network import NetworkConfig, NetworkTrainingConfig
from .require import expand_user, require, require_seed
from .schema import check_in_chans


@dataclass(frozen=True, kw_only=True)
class FinetuneModelConfig(NetworkConfig):
    """The pretrained network; the keys of `NetworkConfig`, with weights and section 4.3's dropout by default.

    Attributes:
        pretrained: true for the weights that timm has by that name; otherwise as `NetworkConfig` says.
        drop_rate: Dropout before the new classifier.
    """

    pretrained: bool | str = True
    drop_rate: float = 0.5


@dataclass(frozen=True, kw_only=True)
class FinetuneDataConfig:
    """The images. What is not given here is as the pretrained network wants it.

    Attributes:
        name: As `DataConfig.name`, such as ``torch/flowers102``, ``folder`` or ``digits``.
        root: Folder of the data set.
        image_size: Side of the images in pixels; by default the network's own.
        in_chans: As `DataConfig.in_chans`; by default the network's own. timm sums the first convolution of one that
            was trained on RGB over them for grey images.
        crop_pct: Share of the resized image's side that evaluation's centre crop keeps; by default the network's own
            (digits: 1).
        augment: As `DataConfig.augment`.
        hold_out: Share of the training images that rates are compared on (section 4.3).
        workers: Loader processes.
        mean: Subtracted of each channel of images in [0, 1]; by default the network's own.
        std: Divides each channel then; by default the network's own.
        interpolation: timm's name of how images are resized; by default the network's own.
        crop_mode: timm's name of how evaluation crops; by default the network's own (digits: none).
        on_change: As `DataConfig.on_change`.
    """

    name: str = "digits"
    root: str | None = free(None)
    image_size: int | None = None
    in_chans: int | None = None
    crop_pct: float | None = None
    augment: bool | str = True
    hold_out: float = 0.2
    workers: int = free(0)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    interpolation: str | None = None
    crop_mode: str | None = None
    on_change: Literal["refuse", "accept"] = free("refuse")

    def __post_init__(self) -> None:
        require(
            self.image_size is None or self.image_size >= 8,
            f"image_size must be at least 8 pixels, not {self.image_size}",
        )
        if self.in_chans is not None:
            check_in_chans(self.in_chans)
        require(0 < self.hold_out < 1, f"hold_out must lie between 0 and 1 (both excluded), not {self.hold_out}")
        require(self.workers >= 0, f"workers must be 0 or more, not {self.workers}")


@dataclass(frozen=True, kw_only=True)
class FinetuneTrainingConfig:
    """Section 4.3's training; what the paper does not say is ours.

    Attributes:
        lr: Learning rate; None to search it.
        weight_decay: On convolution and linear weights; None to search it.
        epochs: Passes over the training images.
        batch_size: Images of a step.
        warmup_epochs: Linear warm-up, before a cosine to 0.
        optimizer: timm's name of an optimiser, such as ``sgd`` (with Nesterov's momentum).
        momentum: Of SGD.
        label_smoothing: Of the cross entropy.
        clip_value: Each gradient's entries are clipped to plus or minus this; None for no clipping.
        save_every: Steps between checkpoints; one is written at the end all the same.
        keep_checkpoints: How many of the newest checkpoints stay.
        mixed_precision: ``no``, ``bf16`` or ``fp16``; None for what `accelerate launch` says, and else ``no``.
    """

    lr: float | None = free(None)
    weight_decay: float | None = free(None)
    epochs: int = 150
    batch_size: int = 64
    warmup_epochs: int = 0
    optimizer: str = "sgd"
    momentum: float = 0.9
    label_smoothing: float = 0.1
    clip_value: float | None = None
    save_every: int = free(1000)
    keep_checkpoints: int = free(2)
    mixed_precision: Literal["no", "bf16", "fp16"] | None = left_open(means="no")

    def __post_init__(self) -> None:
        require(
            (self.lr is None) == (self.weight_decay is None),
            "give both lr and weight_decay, or neither to search them",
        )
        self.at(self.lr or 1.0, self.weight_decay or 0.0)  # checks the rest

    def at(self, lr: float, weight_decay: float) -> NetworkTrainingConfig:
        """The training at one rate and decay."""
        return NetworkTrainingConfig(**{**asdict(self), "lr": lr, "weight_decay": weight_decay})


@dataclass(frozen=True, kw_only=True)
class RateSearchConfig:
    """The search for the rate and the decay, an HPO experiment of NNI. The paper names neither ranges nor number.

    Attributes:
        trials: How many pairs are tried.
        concurrency: How many at once.
        lr: Least and greatest learning rate; drawn log-uniformly.
        weight_decay: Least and greatest weight decay; drawn log-uniformly.
        tuner: NNI's ``TPE``, or ``Random``.
        startup_trials: Pairs that TPE draws at random before it models them.
        stop_early: Whether NNI's median rule stops trials that lag behind: their accuracy after an epoch below the
            median of the others' at that epoch.
        stop_after: Epochs that every trial has before that.
        trial_gpus: GPUs that NNI keeps for each trial; null to let each trial see all.
    """

    trials: int = free(20)
    concurrency: int = free(1)
    lr: tuple[float, ...] = (1e-4, 1e-1)
    weight_decay: tuple[float, ...] = (1e-6, 1e-3)
    tuner: Literal["TPE", "Random"] = free("TPE")
    startup_trials: int = free(6)
    stop_early: bool = free(False)
    stop_after: int = free(10)
    trial_gpus: int | None = free(None)

    def __post_init__(self) -> None:
        for name in ("trials", "concurrency", "startup_trials", "stop_after"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("lr", "weight_decay"):
            ends = getattr(self, name)
            require(
                len(ends) == 2 and 0 < ends[0] < ends[1],
                f"{name} takes two numbers above 0, the least and the greatest, not {list(ends)}",
            )
        require(
            self.trial_gpus is None or self.trial_gpus >= 1, f"trial_gpus must be at least 1, not {self.trial_gpus}"
        )


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """A transfer (AlphaNet, section 4.3): search rate and decay on a hold-out, then train on all and test.

    Attributes:
        output: Folder of the transfer: trials, final training, results and picture.
        seed: Of everything random.
    """

    output: str = free()
    seed: int = 0
    model: FinetuneModelConfig
    data: FinetuneDataConfig = field(default_factory=FinetuneDataConfig)
    training: FinetuneTrainingConfig = field(default_factory=FinetuneTrainingConfig)
    search: RateSearchConfig = field(default_factory=RateSearchConfig)

    def __post_init__(self) -> None:
        expand_user(self, "output")
        require_seed(self.seed)
