"""What a run's YAML file may say. Every key has its meaning here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from ..errors import brief
from ..spaces import SearchSpace, get_space, list_spaces
from .identity import FREE, free
from .kd import AdaptiveAlphaConfig, KDConfig
from .loop import LoopConfig, check_shares
from .phases import PhaseConfig, check_phases
from .require import expand_user, require_seed
from .require import require as _require
from .samplers import SamplerConfig, SandwichConfig


@dataclass(frozen=True, kw_only=True)
class SpaceConfig:
    """The search space; docs/spaces.md has its tables and subspaces.

    Attributes:
        name: One of `alphanet_plugin.list_spaces()`; with a table the table's own.
        resolutions: Candidates for the input's side in pixels, ascending; None for the space's own.
        table: Path of a table of your own, ``my_space.yaml``. The run keeps what the file holds, not where it is.
        width_mult: Multiplies every number of channels; None for the space's own.
        widths: Of a slimmable network, the least and the greatest: ``[0.15, 1.0]``; None for the paper's.
        choices: Candidates that are left of some genes, by gene, by stage and field, or by field:
            ``{depth: [2, 3], mb1.kernel_size: [3]}``; of a slimmable network's width the least and the greatest.
        follow: Genes that others decide: ``{expand_ratio: {depth: [[2, 3], [3, 4], [4, 6]]}}``.
    """

    name: str = "attentive_nas"
    resolutions: tuple[int, ...] | None = None
    table: str | Mapping[str, Any] | None = field(default=None, hash=False)
    width_mult: float | None = None
    widths: tuple[float, float] | None = None
    choices: Mapping[str, Any] | None = field(default=None, hash=False)
    follow: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if self.table is None:
            names = ", ".join(list_spaces())
            _require(self.name in list_spaces(), f"name must be one of {names}, not {brief(self.name)}")
        config = self.build().to_config()
        if self.table is not None:
            object.__setattr__(self, "name", config["name"])
            object.__setattr__(self, "table", config.get("table"))

    def build(self, in_chans: int = 3) -> SearchSpace:
        """The space for images of so many channels; ValueError as `get_space`, whose arguments these are."""
        given = {"in_chans": in_chans, **{one.name: getattr(self, one.name) for one in fields(self)}}
        return get_space(**{key: value for key, value in given.items() if value is not None})


@dataclass(frozen=True, kw_only=True)
class SupernetConfig:
    """How the supernet of a space of mobile blocks is built; a slimmable network's takes none of these.

    Attributes:
        kernel_transform: Smaller depthwise kernels are learnt maps of the larger ones' centres (once-for-all), and not
            just the centres.
        init: How convolutions begin: ``torch``, or ``he_fout`` as once-for-all's do.
        zero_init_last: Whether blocks with a shortcut begin as their shortcut, the last BatchNorm's weights at 0; None:
            in the spaces whose shortcuts project.
    """

    kernel_transform: bool = False
    init: Literal["torch", "he_fout"] = "torch"
    zero_init_last: bool | None = None


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The images.

    Attributes:
        name: ``digits`` (scikit-learn's, needs no download), ``folder`` (root/train/CLASS/*.jpg and root/val/CLASS),
            ``fashion_mnist``, ``cifar10`` or ``cifar100`` (from the files below root, never downloaded), or
            any name that `timm.data.create_dataset` takes, or one of torchvision's that it lacks: ``torch/flowers102``,
            ``torch/oxford_iiit_pet``, ``torch/food101``, ``torch/stanford_cars``, ``torch/fgvc_aircraft``.
        root: Folder of the data set.
        classes: Of a folder, the class folders that are used, by name: a list, or the path of a text file with one a
            line, as ImageNet-100 comes; the run keeps what the file holds. None for all.
        image_size: Side of the patches that the loader yields; the network resizes them to each arch's resolution.
        in_chans: Channels of the images, and so of every network: 3 for RGB, or 1, for which they are made grey.
        crop_pct: Share of the resized image's side that evaluation's centre crop keeps; by default 0.875 (digits: 1).
        augment: true for the data set's usual (digits: small affine maps; else crop, flip and AutoAugment v0), false
            for none, ``crop`` for random resized crop and flip alone, or another of timm's ``auto_augment`` policies.
        search_fraction: Share of the training images held out for searching; by default a tenth (digits: a quarter).
        search_count: The same as a number of images; one of the two. 0 trains on all, and leaves none to search with.
        mean: Subtracted of each channel of images in [0, 1]; by default ImageNet's, or a small set's own. With one
            channel one number, by default the mean of the three.
        std: Divides each channel then; the same.
        interpolation: timm's name of how images are resized; by default ``bicubic``.
        crop_mode: timm's name of how evaluation crops: ``center`` by default, ``squash`` or ``border``; not for digits.
        on_change: What to do where training images are not those that the run began with: ``refuse``, or ``accept`` to
            go on with those that are left and without new ones.
        workers: Loader processes of each rank, at most as many as there are cores.
        cache_gb: Training images that are decoded stay in memory up to so many GB of each rank; the others are decoded
            in each epoch anew.
    """

    name: str = "digits"
    root: str | None = free(None)
    classes: tuple[str, ...] | str | None = None
    image_size: int = 224
    in_chans: int = 3
    crop_pct: float | None = None
    augment: bool | str = True
    search_fraction: float | None = None
    search_count: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    interpolation: str | None = None
    crop_mode: str | None = None
    on_change: Literal["refuse", "accept"] = free("refuse")
    workers: int = free(0)
    cache_gb: float = free(1.0)

    def __post_init__(self) -> None:
        if isinstance(self.classes, str):
            object.__setattr__(self, "classes", _read_names(self.classes))
        _require(
            self.classes is None or self.name == "folder",
            f"classes are of a folder, not of {self.name}; leave them out",
        )
        _require(self.image_size >= 8, f"image_size must be at least 8 pixels, not {self.image_size}")
        check_in_chans(self.in_chans)
        _require(
            self.search_fraction is None or self.search_count is None, "give search_fraction or search_count, not both"
        )
        _require(self.workers >= 0, f"workers must be 0 or more, not {self.workers}")
        _require(self.cache_gb >= 0, f"cache_gb must be 0 or more, not {self.cache_gb}")


def check_in_chans(in_chans: int) -> None:
    """ValueError if images cannot have so many channels."""
    _require(in_chans in (1, 3), f"in_chans must be 3 (RGB) or 1 (grey), not {in_chans}")


def _read_names(path: str) -> tuple[str, ...]:
    """The first word of each line of a text file; ValueError if there is none."""
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ValueError(f"classes: {path} cannot be read ({getattr(error, 'strerror', None) or error})") from None
    names = tuple(line.split()[0] for line in lines if line.strip())
    _require(len(names) > 0, f"classes: {path} names none")
    return names


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(LoopConfig):
    """The training of a supernet (AlphaNet, appendix B); the keys of `LoopConfig`, and dropout.

    The cross entropy on labels, ``label_smoothing`` included, is that of a step's first arch, and with kd ``none``
    every arch's.

    Attributes:
        drop_rate: Dropout before the classifier, on a step's first arch only: the one that learns from the labels and
            teaches, which is the largest but with the sampler ``uniform``. A phase may say otherwise.
        drop_path_rate: Stochastic depth, on the same arch only.
        diagnose_every: Every so many steps, compare the gradient of a step's first pass with that of its others, layer
            by layer, in ``gradients.jsonl``, the tracker and ``gradients.png`` (DepS, Figures 3 and 4).
        validate_epochs: Measure the smallest and the largest arch on the search images every so many epochs, with
            BatchNorm estimated anew, into ``curve.jsonl`` and the tracker; changes nothing in the run. None for never.
        optimizer: ``sgd`` with Nesterov's ``momentum``, or another of timm's by name, such as ``rmsproptf``.
        optimizer_args: What else that optimiser takes, such as ``{alpha: 0.9, eps: 0.001}``.
        init: Weights to start from in place of random ones: a run's folder, one of its checkpoints, or the supernet's
            folder that `alphanet import` names. A classifier of other classes starts anew.
    """

    init: str | None = None
    drop_rate: float = 0.2
    drop_path_rate: float = 0.2
    validate_epochs: int | None = free(None)
    diagnose_every: int | None = free(None)
    optimizer: str = "sgd"
    optimizer_args: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shares(self, "drop_rate", "drop_path_rate")
        for name in ("validate_epochs", "diagnose_every"):
            every = getattr(self, name)
            _require(every is None or every >= 1, f"{name} must be at least 1, not {every}")


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How a subnet is recalibrated and evaluated.

    Attributes:
        calibration_batches: Batches of training images for BatchNorm statistics when a subnet is published.
        search_calibration_batches: The same during the search.
        batch_size: Images of a batch, in both.
        cache_gb: Images of up to so many GB are kept in memory between subnets; more are read anew for each.
    """

    calibration_batches: int = 64
    search_calibration_batches: int = 32
    batch_size: int = 256
    cache_gb: float = free(8.0)

    def __post_init__(self) -> None:
        for name in ("calibration_batches", "search_calibration_batches", "batch_size"):
            _require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """The evolutionary search (AlphaNet, section 4.2).

    Attributes:
        min_mflops: Least multiply-adds / 1e6 of a candidate; None for the space's.
        max_mflops: Greatest multiply-adds / 1e6; None for the space's.
        min_params: Least number of parameters of a candidate; None for no such bound.
        max_params: Greatest number of parameters.
        min_latency_ms: Least latency of a candidate in milliseconds, by a table measured on ``latency_device``; None
            for no such bound.
        max_latency_ms: Greatest latency. These bounds hold whatever ``cost`` is, and together.
        num_random: Random subnets in the first round.
        num_parents: Best subnets kept as parents.
        num_crossovers: Crossovers in each later round.
        num_mutations: Mutations in each later round.
        num_rounds: Rounds in all, the random one included: 20 make the 5,376 networks that the paper counts
            (512 + 19 x 256), 21 the 20 rounds of children that it words (512 + 20 x 256 = 5,632).
        mutation_probability: Chance of each gene to change.
        rank: Parents by ``pareto`` front of cost and accuracy, by ``accuracy`` alone, or as in the released example
            the best of each of its ``bins`` of MFLOPs.
        bin_mflops: Width of a bin, in multiply-adds / 1e6.
        cost: What a Pareto set is taken by: ``mflops``, ``params``, or ``latency`` by a table measured on a device.
        latency_device: Where latency is measured, where it is the cost or is bounded: ``cpu``, ``cuda``, or ``onnx``
            for files of ``alphanet export`` by onnxruntime on the CPU.
        latency_batch: Images of a measured forward.
        stages: Evaluations that choose who is evaluated in full, as shares of its image passes, ascending. Each stage
            passes on as many as let the next cost no more in all (successive halving): with ``[0.1]`` all are
            evaluated by a tenth of the passes and a tenth of them in full, which alone become parents and results.
            Empty for the published search.
        predictor: ``ridge`` or ``mlp``: a model of scikit-learn, fitted in each round on what was evaluated so far,
            ranks candidates before they are evaluated; None for none. Numbers of subnets stay those that are evaluated,
            so give a third of them, for one.
        predictor_pool: With a predictor, candidates that are proposed for each that is evaluated.
    """

    min_mflops: float | None = None
    max_mflops: float | None = None
    min_params: float | None = None
    max_params: float | None = None
    min_latency_ms: float | None = None
    max_latency_ms: float | None = None
    num_random: int = 512
    num_parents: int = 128
    num_crossovers: int = 128
    num_mutations: int = 128
    num_rounds: int = 20
    mutation_probability: float = 0.2
    rank: Literal["pareto", "accuracy", "bins"] = "pareto"
    bin_mflops: float = 10.0
    cost: Literal["mflops", "params", "latency"] = "mflops"
    latency_device: Literal["cpu", "cuda", "onnx"] = "cpu"
    latency_batch: int = 1
    stages: tuple[float, ...] = ()
    predictor: Literal["ridge", "mlp"] | None = None
    predictor_pool: int = 32

    def __post_init__(self) -> None:
        _require(self.predictor_pool >= 1, f"predictor_pool must be at least 1, not {self.predictor_pool}")
        shares = (0.0, *self.stages, 1.0)
        _require(
            all(low < high for low, high in pairwise(shares)),
            f"stages must ascend between 0 and 1, such as [0.1], not {list(self.stages)}",
        )
        for kind in ("mflops", "params", "latency_ms"):
            self._check_range(f"min_{kind}", f"max_{kind}")
        _require(self.bin_mflops > 0, f"bin_mflops must be above 0, not {self.bin_mflops}")
        _require(self.latency_batch >= 1, f"latency_batch must be at least 1, not {self.latency_batch}")

    def _check_range(self, low: str, high: str) -> None:
        least, most = getattr(self, low), getattr(self, high)
        for name, end in ((low, least), (high, most)):
            _require(end is None or 0 < end < float("inf"), f"{name} must be a number above 0, not {end}")
        if least is not None and most is not None:
            _require(least <= most, f"{low} must be at most {high} ({most:g}), not {least:g}")

    @property
    def needs_latency(self) -> bool:
        """Whether a latency table is needed, for the cost or for a bound."""
        return self.cost == "latency" or self.min_latency_ms is not None or self.max_latency_ms is not None


@dataclass(frozen=True, kw_only=True)
class PublishConfig:
    """What `alphanet publish` writes.

    Attributes:
        tag: The tag under which timm finds the weights, as in ``alphanet_a4.TAG``.
        presets: Which presets; None for all of the space's.
        front: How many subnets of the search's Pareto front, spread over its MFLOPs.
    """

    tag: str = "custom"
    presets: tuple[str, ...] | None = None
    front: int = 5


@dataclass(frozen=True, kw_only=True)
class CostConfig:
    """What training costs in money.

    Attributes:
        per_device_hour: Price of an hour of a device, in any currency; None to leave prices out.
    """

    per_device_hour: float | None = None

    def __post_init__(self) -> None:
        price = self.per_device_hour
        _require(price is None or 0 <= price < float("inf"), f"per_device_hour must be 0 or more, not {price}")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A whole run: train a supernet, search it, publish the best.

    Attributes:
        output: Folder of the run: config, log, checkpoints, search history, picture.
        seed: Of everything random.
        kernels: What a CPU trains with: ``compiled`` C functions that this machine's compiler builds in a second or two
            when they are first used, ``plain`` operations of torch, or ``auto``, compiled where that works. They differ
            by rounding.
        recipe: Name of a shipped recipe, or path of one, whose keys lie under these; docs/recipes.md lists them.
        phases: The run's phases in their order; None for one, which the other sections describe.
    """

    output: str = free()
    seed: int = 0
    kernels: Literal["auto", "plain", "compiled"] = free("auto")
    recipe: str | None = free(None)
    space: SpaceConfig = field(default_factory=SpaceConfig)
    supernet: SupernetConfig = field(default_factory=SupernetConfig)
    data: DataConfig = field(default_factory=DataConfig)
    kd: KDConfig = field(default_factory=AdaptiveAlphaConfig)
    sampler: SamplerConfig = field(default_factory=SandwichConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig, metadata=FREE)
    search: SearchConfig = field(default_factory=SearchConfig, metadata=FREE)
    publish: PublishConfig = field(default_factory=PublishConfig, metadata=FREE)
    cost: CostConfig = field(default_factory=CostConfig, metadata=FREE)
    phases: tuple[PhaseConfig, ...] | None = None

    def __post_init__(self) -> None:
        expand_user(self, "output")
        require_seed(self.seed)
        if self.phases is not None:
            check_phases(self.phases)
