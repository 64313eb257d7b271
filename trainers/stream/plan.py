"""Types that all parts of the loader share: sample places, batch plans, and the errors that skip a sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from corpusloom.schemas.errors import ConfigError, DamageError, InputError
from corpusloom.schemas.images.errors import ImageError
from corpusloom.trainers.stream.errors import SampleError

Transform: TypeAlias = Callable[[Any, np.random.Generator], Mapping[str, Any]]
"""(sample, its generator) -> arrays of fixed shapes by name; a list of arrays of one shape counts as one array."""
SKIPPABLE = (SampleError, ImageError, InputError, DamageError, OSError)
"""Errors of a single sample: `on_error="skip"` counts the sample and goes on."""


class SamplePlace(NamedTuple):
    """The sample at one running position: its data set, that data set's epoch, its shard and its row."""

    position: int
    dataset: int
    epoch: int
    shard: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """Settings with which batches are made."""

    batch_size: int
    """Samples per rank and step."""
    workers: int = 2
    """Number of threads or processes; with 0 the caller's thread makes the batches."""
    prefetch: int = 2
    """Batches made ahead of the caller, in addition to one per worker."""
    processes: bool = False
    """Whether workers are processes: for transforms that hold the interpreter lock."""
    pin: bool | None = None
    """Whether batches are assembled in page-locked memory, from which copies to a GPU overlap with its computation;
    threads only. None: pin when this process already uses CUDA."""
    on_error: str = "skip"
    """skip or raise, for a sample that cannot be used."""
    epochs: int | None = None
    """Epochs after which the batches end; None: never."""
    last: str = "pad"
    """pad or drop, for the last batch when too few samples are left."""

    def __post_init__(self) -> None:
        for name, value, least in (
            ("batch_size", self.batch_size, 1),
            ("workers", self.workers, int(self.processes)),
            ("prefetch", self.prefetch, 0),
        ):
            if value < least:
                raise ConfigError(f"{name} is {value}", remedy=f"set it to {least} or more")
        check_on_error(self.on_error)
        if self.last not in ("pad", "drop"):
            raise ConfigError(f"last is {self.last!r}", remedy="use pad or drop")
        if self.pin and self.processes:
            raise ConfigError("pin and processes exclude each other", remedy="use threads for page-locked memory")


def check_on_error(on_error: str) -> None:
    """Raise ConfigError unless `on_error` is skip or raise."""
    if on_error not in ("skip", "raise"):
        raise ConfigError(f"on_error is {on_error!r}", remedy="use skip or raise")
