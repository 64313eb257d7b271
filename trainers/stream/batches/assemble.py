"""Assembles the samples of a step into a batch: each array is copied once, into plain, page-locked or shared memory."""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.plan import SKIPPABLE, SamplePlace, Transform
from corpusloom.trainers.stream.sample_reader import SampleReader
from corpusloom.trainers.stream.samples.draws import SampleDraws

Shapes: TypeAlias = Mapping[str, tuple[tuple[int, ...], np.dtype]]
"""Name -> shape and type of each array of a batch."""
Allocate: TypeAlias = Callable[[Shapes], dict[str, np.ndarray]]
"""Shapes -> arrays of zeros in which a batch is assembled."""


class SkippedSample(NamedTuple):
    """A sample that cannot be used: its place, its key and the error."""

    place: SamplePlace
    key: str
    error: Exception


class AssembledBatch(NamedTuple):
    """A batch's arrays and keys, and its samples that were skipped."""

    arrays: dict[str, np.ndarray]
    keys: list[str]
    skipped: list[SkippedSample]


def allocation(pin: bool | None) -> Allocate:
    """Return the function that makes a batch's arrays; `pin` None: pinned if this process already uses CUDA."""
    if pin is None:  # another thread may be in the middle of importing torch
        cuda = getattr(sys.modules.get("torch"), "cuda", None)
        initialized = getattr(cuda, "is_initialized", None)
        pin = initialized is not None and bool(initialized())
    return pinned if pin else plain


def plain(shapes: Shapes) -> dict[str, np.ndarray]:
    """Return arrays of zeros in ordinary memory."""
    return {name: np.zeros(shape, dtype) for name, (shape, dtype) in shapes.items()}


def pinned(shapes: Shapes) -> dict[str, np.ndarray]:
    """Return arrays of zeros in page-locked memory, which needs CUDA."""
    torch: Any = importlib.import_module("torch")
    tensors = {name: torch.from_numpy(np.zeros(shape, dtype)) for name, (shape, dtype) in shapes.items()}
    try:
        return {name: tensor.pin_memory().numpy() for name, tensor in tensors.items()}
    except RuntimeError as error:
        raise ConfigError(f"no page-locked memory: {error}", remedy="leave pin off without CUDA") from error


def assemble(
    reader: SampleReader,
    places: Sequence[SamplePlace | None],
    transform: Transform,
    allocate: Allocate,
    *,
    rng_seed: int,
    on_error: str,
) -> AssembledBatch:
    """Return one batch, with "valid" (bool [B]) among its arrays; None among the places is padding.

    If none of the samples can be used, "valid" is the only array. Raises DamageError at the first sample that cannot be
    used if `on_error` is raise.
    """
    arrays: dict[str, np.ndarray] = {}
    skipped: list[SkippedSample] = []
    draws = SampleDraws(rng_seed)
    valid, keys = np.zeros(len(places), dtype=bool), [""] * len(places)
    for at, place in enumerate(places):
        if place is None:
            continue
        try:
            sample = reader.item(place)
            keys[at] = sample.key
            values = transform(sample, draws.of(place.epoch, sample.key))
        except SKIPPABLE as error:
            keys[at] = keys[at] or reader.key_of(place)
            if on_error == "raise":
                raise reader.damage(place, keys[at], error) from error
            skipped.append(SkippedSample(place, keys[at], error))
            continue
        if not arrays:
            arrays = allocate(shapes_of(values, len(places)))
        _put(arrays, values, at)
        valid[at] = True
    _fill(arrays, valid)
    return AssembledBatch({"valid": valid, **arrays}, keys, skipped)


def shapes_of(values: Mapping[str, Any], size: int) -> Shapes:
    """Return shapes and types of the arrays that `size` samples like this one fill."""
    found = {name: np.asarray(value) for name, value in values.items()}
    return {name: ((size, *array.shape), array.dtype) for name, array in found.items()}


def _put(arrays: dict[str, np.ndarray], values: Mapping[str, Any], at: int) -> None:
    """Copy one sample into its row; the arrays of a list are copied one by one, not stacked first."""
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
    """Fill each row without a sample with the nearest valid row before it, else with the first valid row."""
    good = np.flatnonzero(valid)
    if not len(good):
        return
    for at in np.flatnonzero(~valid):
        neighbour = good[max(int(np.searchsorted(good, at)) - 1, 0)]
        for array in arrays.values():
            array[at] = array[neighbour]


def tensor(array: np.ndarray) -> Any:
    """Return a torch tensor over the same memory; the array itself if torch is not installed."""
    try:
        import torch
    except ImportError:
        return array
    return torch.from_numpy(array)
