"""Configuration of a training run: frozen dataclasses, and the TOML files of trainers/configs that fill them."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from corpusloom.schemas import config as tables
from corpusloom.schemas.errors import ConfigError

SCHEDULES = ("cosine", "linear", "exponential", "constant")
PRECISIONS = ("fp32", "bf16")
FAMILIES = ("clip", "flamingo", "lm", "vilbert")


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupConfig:
    """Settings of the parameters whose names fit a pattern."""

    freeze: bool = False
    """Whether the parameters are frozen."""
    lr_factor: float = 1.0
    """Factor of the learning rate."""
    layer_decay: float | None = None
    """Factor of the learning rate per block: block i of n has layer_decay ** (n - 1 - i), layers before the blocks have
    layer_decay ** n; None: the same rate for all blocks."""
    weight_decay: float | None = None
    """Weight decay of the matrices among them; None: `train.weight_decay`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Training settings of any model: steps, optimiser, schedule, precision, checkpoints."""

    steps: int
    """Optimiser updates of the whole run."""
    batch_size: int
    """Samples per rank and batch."""
    lr: float
    """Peak learning rate, after the warmup."""
    warmup: int | float = 0
    """Steps of linear warmup, or below 1 their share of all: step i has the learning rate lr * (i + 1) / warmup."""
    schedule: str = "cosine"
    """Learning rate after the warmup: cosine or linear decay to 0, exponential decay to a tenth, or constant."""
    lr_drops: tuple[float, ...] = ()
    """Shares of all steps after each of which the learning rate is a tenth of what it was before."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW), except on parameters of one dimension and those that the model exempts."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay rates of Adam's two moments."""
    eps: float = 1e-8
    """Adam's epsilon."""
    grad_clip: float | None = None
    """Largest norm of the gradient over all parameters; None: no clipping."""
    accumulate: int = 1
    """Batches per rank and update; the update equals that of one batch of all their samples, but for objectives that
    compare the samples of a batch with each other."""
    ema: float | None = None
    """Decay per step of a moving average of the trained weights, which evaluations use; None: no average."""
    groups: dict[str, GroupConfig] = field(default_factory=dict)
    """Pattern of parameter names (`image.*`) -> their settings; the last pattern that fits a name counts."""
    max_skipped_steps: int = 3
    """Consecutive skipped steps that end training; a step is skipped (its update is left out) if its loss or its
    gradient is not finite."""
    spike_factor: float | None = None
    """Multiple of the median loss or gradient norm of the last 100 steps above which a step is skipped too; None: no
    such limit."""
    rng_seed: int = 0
    """Seed of initial weights, augmentation, dropout and the order of samples."""
    precision: str = "fp32"
    """fp32, or bf16 autocast with fp32 weights."""
    threads: int | None = None
    """Torch threads per process; None: torch's own choice. The last bits of the weights depend on it."""
    workers: int = 0
    """Loader threads (or processes, see `loader`) per rank and stream; with 0 the loop's own thread decodes."""
    checkpoint_every: int = 1000
    """Steps between checkpoints; one is always written after the last step."""
    keep: int = 3
    """Number of checkpoints that are kept; older ones are deleted."""
    keep_best: str | None = None
    """Figure of the evaluations by which the best checkpoint is kept too: NAME:max or NAME:min; None: no figure."""
    snapshot: bool = True
    """Whether a thread writes a checkpoint from a copy of this rank's state in memory while training goes on; otherwise
    training waits, and no copy is made."""
    log_every: int = 10
    """Steps between reports, each of which is a mean over these steps."""
    peak_tflops: float | None = None
    """Peak TFLOP per second of a rank's device, for the MFU of a run; None: that of known GPUs."""
    evaluate_every: int | None = None
    """Steps between evaluations; None: only after the last step."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "checkpoint_every", "keep", "log_every", "max_skipped_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", where="train", remedy="set it to 1 or more")
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"schedule is {self.schedule!r}", where="train", remedy=f"one of {', '.join(SCHEDULES)}")
        if self.precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise ConfigError(f"precision is {self.precision!r}", where="train", remedy=f"one of {known}")
        if self.keep_best is not None and not self.keep_best.endswith((":max", ":min")):
            raise ConfigError(f"keep_best is {self.keep_best!r}", where="train", remedy="give NAME:max or NAME:min")
        if not self.lr > 0:
            raise ConfigError(f"lr is {self.lr}", where="train", remedy="set it above 0")
        if not all(0 < share < 1 for share in self.lr_drops):
            raise ConfigError(f"lr_drops is {list(self.lr_drops)}", where="train", remedy="give shares from 0 to 1")
        if self.warmup < 0:
            raise ConfigError(f"warmup is {self.warmup}", where="train", remedy="give steps, or a share below 1")
        for name in ("evaluate_every", "spike_factor", "peak_tflops"):
            value = getattr(self, name)
            if value is not None and not value > (1 if name == "spike_factor" else 0):
                raise ConfigError(f"{name} is {value}", where="train", remedy="set it higher, or to off")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ConfigError(f"ema is {self.ema}", where="train", remedy="set it above 0 and below 1, e.g. 0.999")

    @property
    def warmup_steps(self) -> int:
        """Steps of warmup: at most all steps."""
        return min(self.steps, round(self.warmup * self.steps) if self.warmup < 1 else int(self.warmup))


@dataclass(frozen=True, kw_only=True, slots=True)
class ParallelConfig:
    """Division of a model among ranks. Losses, gradients and updates do not depend on it, up to rounding."""

    shard: int = 1
    """Ranks that share a copy of weights, gradients and optimiser state (FSDP2); 1: each has all; -1: all ranks."""
    tensor: int = 1
    """Ranks that split the layers of the language model (tensor parallel); they see the same samples."""
    activation_checkpointing: bool = False
    """Whether blocks keep their inputs only and compute activations again in the backward pass."""
    compile: bool = False
    """Whether each block is compiled with torch.compile."""
    compile_backend: str = "inductor"
    """Backend of torch.compile."""
    dead_after: float = 30.0
    """Seconds without a heartbeat after which a rank counts as dead, and the others end."""
    stall_after: float = 300.0
    """Seconds without progress after which rank 0 prints which ranks the others wait for."""

    def __post_init__(self) -> None:
        if self.shard < 1 and self.shard != -1:
            raise ConfigError(f"shard is {self.shard}", where="parallel", remedy="set it to 1 or more, or to -1")
        for name in ("dead_after", "stall_after"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}", where="parallel", remedy="set it above 0 s")
        if self.tensor < 1:
            raise ConfigError(f"tensor is {self.tensor}", where="parallel", remedy="set it to 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoaderConfig:
    """Settings for reading data sets, for every family. Samples and their order do not depend on it."""

    cache: str | None = None
    """Folder on a local disk for blocks of remote data sets, shared by ranks and runs; None: no cache."""
    cache_bytes: int = 100 << 30
    """Largest number of bytes in the cache."""
    processes: bool = False
    """Whether `train.workers` are processes: for transforms that hold the interpreter lock."""
    prefetch: int = 2
    """Batches made ahead of the model, in addition to one per worker."""
    allow_addresses: tuple[str, ...] = ()
    """Private networks, NET or NET:PORT, whose servers an index of foreign tars may name."""
    verify: bool | None = None
    """Checks of each member's bytes. None: their crc32c, in data sets of format 2. True: their sha256. False: none."""

    def __post_init__(self) -> None:
        if self.prefetch < 0:
            raise ConfigError(f"prefetch is {self.prefetch}", where="loader", remedy="set it to 0 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """One training run: the family of models, the model's shape, its data, and how it is trained."""

    family: str
    """clip, flamingo, lm or vilbert: the folder of trainers whose code reads `model` and `data`."""
    name: str = ""
    """Name of the configuration, for logs and checkpoints."""
    model: dict[str, Any] = field(default_factory=dict)
    """Model configuration of the family, as a table."""
    data: dict[str, Any] = field(default_factory=dict)
    """Data configuration of the family, as a table."""
    train: TrainConfig
    loader: LoaderConfig = field(default_factory=LoaderConfig)
    parallel: ParallelConfig = field(default_factory=ParallelConfig)

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ConfigError(f"family is {self.family!r}", where=self.name, remedy=f"one of {', '.join(FAMILIES)}")
        if self.loader.processes and self.train.workers < 1:
            raise ConfigError("processes without workers", where="loader", remedy="set train.workers to 1 or more")

    def to_plain(self) -> dict[str, Any]:
        """Return nested tables of plain values, as in a checkpoint's config.json."""
        return dataclasses.asdict(self)


def config_names() -> list[str]:
    """Return the names of the configurations that ship, sorted."""
    return sorted(_shipped())


def _shipped() -> dict[str, Path]:
    """Return name -> file of the configurations that ship: trainers/configs/FAMILY/NAME.toml."""
    folder = Path(str(resources.files("corpusloom.trainers"))) / "configs"
    return {path.stem: path for path in folder.glob("*/*.toml")}


def load_config(
    name: str, assignments: Sequence[str] = (), *, on_note: Callable[[str], None] = lambda _: None
) -> RunConfig:
    """Return a configuration by name or from a TOML file, with assignments such as `train.lr=1e-4` applied.

    A warmup longer than `train.steps` is shortened, to its former share if only the steps were assigned; `on_note`
    receives a note. The value `off` unsets a key that may be unset.
    """
    if name.endswith(".toml"):
        values = tables.load_toml(name)
    elif name in (shipped := _shipped()):
        values = tables.load_toml(str(shipped[name]))
    else:
        near = difflib.get_close_matches(name, config_names(), 1)
        known = f"did you mean {near[0]}?" if near else f"a TOML file, or one of {', '.join(config_names())}"
        raise ConfigError(f"no configuration {name!r}", where="--config", remedy=known)
    changed = tables.override({"name": name, **values}, assignments)
    assigned = any(text.partition("=")[0].strip() == "train.warmup" for text in assignments)
    changed["train"] = _shorten_warmup({} if assigned else values.get("train"), changed.get("train"), on_note)
    return from_plain(changed, where=name)


def check_family(config: RunConfig, family: str) -> None:
    """Raise ConfigError if a configuration is of another family of models."""
    if config.family != family:
        raise ConfigError(
            f"{config.name} configures {config.family}, not {family}", where="--config", remedy="see loom list configs"
        )


def _shorten_warmup(before: Any, after: Any, on_note: Callable[[str], None]) -> Any:
    """Return the table `train` with a warmup that fits its steps, given the table before the assignments."""
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return after
    warmup, steps, former = after.get("warmup", 0), after.get("steps", 0), before.get("steps", 0)
    numbers = all(isinstance(value, int) for value in (warmup, steps, former))
    if not numbers or not 0 < steps < warmup:
        return after
    shorter = warmup * steps // former if steps < former else steps
    share = f"the same share of {steps} steps as of {former}" if steps < former else f"there are {steps} steps"
    on_note(f"train.warmup is {shorter}, not {warmup}: {share}")
    return {**after, "warmup": shorter}


def from_plain(values: Mapping[str, Any], where: str = "") -> RunConfig:
    """Build a RunConfig from nested tables; unknown keys are errors, except in the family's `model` and `data`."""
    return tables.build(RunConfig, values, where)
