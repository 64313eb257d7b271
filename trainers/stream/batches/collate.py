"""Samples of a step into one batch, each array copied once, into memory that is plain, pinned or shared."""

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from corpusloom.schemas.errors import ConfigError, DamageError, InputError
from corpusloom.schemas.images.errors import ImageError
from corpusloom.trainers.stream.batches.decoding import SampleDraws
from corpusloom.trainers.stream.errors import SampleError

if TYPE_CHECKING:
    from corpusloom.trainers.stream.dataset import Place, StreamingDataset

Transform: TypeAlias = Callable[[Any, np.random.Generator], Mapping[str, Any]]
"""(sample, its generator) -> arrays of fixed shapes by name; a list of arrays of one shape counts as one array."""
Shapes: TypeAlias = Mapping[str, tuple[tuple[int, ...], np.dtype]]
"""What a batch's arrays are: name -> shape and type."""
Allocate: TypeAlias = Callable[[Shapes], dict[str, np.ndarray]]
"""Shapes -> arrays of zeros to assemble a batch in."""
SKIPPABLE = (SampleError, ImageError, InputError, DamageError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How batches are made."""

    batch_size: int
    """Samples a rank a step."""
    workers: int = 2
    """Threads or processes; 0 does the work in the caller's."""
    prefetch: int = 2
    """Batches ahead of the caller, beyond one a worker."""
    processes: bool = False
    """Workers are processes: for transforms that hold the interpreter lock."""
    pin: bool | None = None
    """Assemble in page-locked memory, from which copies to a GPU overlap with its work; threads only. None: when this
    process already uses CUDA."""
    on_error: str = "skip"
    epochs: int | None = None
    last: str = "pad"

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("workers", int(self.processes)), ("prefetch", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}", remedy=f"set it to {least} or more")
        if self.last not in ("pad", "drop"):
            raise ConfigError(f"last {self.last!r}", remedy="use pad or drop")
        if self.pin and self.processes:
            raise ConfigError("pin and processes", remedy="page-locked memory cannot be shared: use threads")


class Made(NamedTuple):
    """A batch's arrays and keys, and which of its samples were skipped."""

    arrays: dict[str, np.ndarray]
    keys: list[str]
    skipped: list[tuple["Place", str, Exception]]


def allocation(pin: bool | None) -> Allocate:
    """Return how a batch's arrays are made."""
    if pin is None:  # another thread may be in the middle of importing torch
        cuda = getattr(sys.modules.get("torch"), "cuda", None)
        initialized = getattr(cuda, "is_initialized", None)
        pin = initialized is not None and bool(initialized())
    return pinned if pin else plain


def plain(shapes: Shapes) -> dict[str, np.ndarray]:
    """Return arrays in ordinary memory."""
    return {name: np.zeros(shape, dtype) for name, (shape, dtype) in shapes.items()}


def pinned(shapes: Shapes) -> dict[str, np.ndarray]:
    """Return arrays in page-locked memory; a machine without CUDA has none."""
    torch: Any = importlib.import_module("torch")
    tensors = {name: torch.from_numpy(np.zeros(shape, dtype)) for name, (shape, dtype) in shapes.items()}
    try:
        return {name: tensor.pin_memory().numpy() for name, tensor in tensors.items()}
    except RuntimeError as error:
        raise ConfigError(f"no page-locked memory: {error}", remedy="leave pin off without CUDA") from error


def make_batch(
    dataset: "StreamingDataset",
    places: list["Place | None"],
    plan: Plan,
    transform: Transform,
    allocate: Allocate,
) -> Made:
    """Return one batch, "valid" (bool [B]) among its arrays; DamageError when none of its samples can be used."""
    arrays: dict[str, np.ndarray] = {}
    skipped: list[tuple[Place, str, Exception]] = []
    draws = SampleDraws(dataset.rng_seed)
    valid, keys = np.zeros(len(places), dtype=bool), [""] * len(places)
    for at, place in enumerate(places):
        if place is None:
            continue
        try:
            sample = dataset.sample(place)
            keys[at] = sample.key
            values = transform(sample, draws.of(place.epoch, sample.key))
        except SKIPPABLE as error:
            keys[at] = keys[at] or dataset.key_of(place)
            if plan.on_error == "raise":
                raise dataset.damage(place, keys[at], error) from error
            skipped.append((place, keys[at], error))
            continue
        if not arrays:
            arrays = allocate(_shapes(values, len(places)))
        _put(arrays, values, at)
        valid[at] = True
    if not arrays and any(places):
        raise DamageError(
            f"no sample of a batch of {len(places)} can be used; the first: {skipped[0][1]}: {skipped[0][2]}",
            where=dataset.sources[0].index.path,
            remedy="run loom verify",
        )
    _fill(arrays, valid)
    return Made({"valid": valid, **arrays}, keys, skipped)


def _shapes(values: Mapping[str, Any], size: int) -> Shapes:
    """Return the arrays that `size` samples like this one make."""
    found = {name: np.asarray(value) for name, value in values.items()}
    return {name: ((size, *array.shape), array.dtype) for name, array in found.items()}


def _put(arrays: dict[str, np.ndarray], values: Mapping[str, Any], at: int) -> None:
    """Copy one sample into its row; a list of arrays one by one, without being stacked before."""
    if arrays.keys() != values.keys():
        raise ConfigError(f"the transform returned {sorted(values)}, before {sorted(arrays)}")
    for name, value in values.items():
        try:
            if isinstance(value, list) and len(value) == arrays[name].shape[1]:
                for number, part in enumerate(value):
                    arrays[name][at, number] = part
            else:
                arrays[name][at] = value
        except ValueError as error:
            raise ConfigError(
                f"{name} has shape {np.shape(value)}, others {arrays[name].shape[1:]}", remedy="pad in the transform"
            ) from error


def _fill(arrays: dict[str, np.ndarray], valid: np.ndarray) -> None:
    """Fill the places of skipped samples with the nearest good one before them, else the first good one."""
    good = np.flatnonzero(valid)
    if not len(good):
        return
    for at in np.flatnonzero(~valid):
        neighbour = good[max(int(np.searchsorted(good, at)) - 1, 0)]
        for array in arrays.values():
            array[at] = array[neighbour]


def tensor(array: np.ndarray) -> Any:
    """Return a torch tensor over the same memory; the array itself where there is no torch."""
    try:
        import torch
    except ImportError:
        return array
    return torch.from_numpy(array)
