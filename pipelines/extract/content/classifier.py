"""The block classifier: a small convolutional network in numpy that finds the main content among a page's runs.

`benchmarks/train_block_classifier.py` trains it; `block_classifier.md` describes its training data and accuracy. The
probabilities of a page depend on no other page.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corpusloom.pipelines.extract.content.features import Features, Floats

VERSION = 3
"""Version of features and weights; pages extracted by different versions are not comparable."""
_CLIP = 6.0
_ONE_THREAD = 200_000
"""Multiplications below which numpy's OpenBLAS uses one thread (its limit is 262,144)."""
_LOWEST, _HIGHEST = 0.1, 0.5
_FILE = Path(__file__).with_name("block_classifier.npz")


@dataclass(frozen=True, slots=True)
class Weights:
    """One network: mean and scale of the features (F,), and its parameters by their names in the training script."""

    mean: Floats
    scale: Floats
    parameters: dict[str, Floats]


def standardised(numbers: Floats, mean: Floats, scale: Floats) -> Floats:
    """Return features with mean 0 and deviation 1 over the training pages, outliers clipped."""
    return np.clip((numbers - mean) / scale, -_CLIP, _CLIP).astype(np.float32)


def probabilities(features: Features, members: list[Weights]) -> Floats:
    """Return the probability of each run to be main content (n,), the mean over the networks `members`."""
    total = np.zeros(len(features.numbers), np.float32)
    for weights in members:
        logits = forward(weights, features)
        total += 1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))
    return (total / len(members)).astype(np.float32)


def forward(weights: Weights, features: Features) -> Floats:
    """Return the logits (n,) of one network."""
    named = weights.parameters
    hidden = _dense(named, "enter", standardised(features.numbers, weights.mean, weights.scale))
    for name, dilation in (("near", 1), ("far", 3)):
        hidden = hidden + _convolved(named, name, hidden, dilation)
    sums = np.zeros((len(hidden) + 1, hidden.shape[1]), np.float64)
    np.cumsum(hidden, axis=0, out=sums[1:])
    first, last = features.spans[..., 0], features.spans[..., 1]
    means = (sums[last] - sums[first]) / np.maximum(last - first, 1)[..., None]
    hidden = hidden + _dense(named, "around", means.reshape(len(hidden), -1).astype(np.float32))
    left = _dense(named, "leave", hidden)
    logits: Floats = _product(left, named["logit.weight"].T)[:, 0] + named["logit.bias"]
    return logits


def _dense(named: dict[str, Floats], name: str, values: Floats) -> Floats:
    result: Floats = np.maximum(_product(values, named[f"{name}.weight"].T) + named[f"{name}.bias"], 0.0)
    return result


def _product(values: Floats, matrix: Floats) -> Floats:
    """Return values @ matrix in slices so small that the BLAS computes each on one thread.

    Several threads are slower at this size on a busy machine, and the last bits would depend on their number.
    """
    rows = max(_ONE_THREAD // matrix.size, 1)
    out = np.empty((len(values), matrix.shape[1]), np.float32)
    for start in range(0, len(values), rows):
        np.matmul(values[start : start + rows], matrix, out=out[start : start + rows])
    return out


def _convolved(named: dict[str, Floats], name: str, values: Floats, dilation: int) -> Floats:
    """Return relu(conv1d) along the page, `same` padding."""
    kernel = np.ascontiguousarray(named[f"{name}.weight"].transpose(2, 1, 0))  # (5, in, out)
    size = len(kernel)
    reach = dilation * (size // 2)
    padded = np.pad(values, [(reach, reach), (0, 0)])
    out = np.tile(named[f"{name}.bias"], (len(values), 1))
    for tap in range(size):
        out += _product(padded[tap * dilation : tap * dilation + len(values)], kernel[tap])
    return np.maximum(out, 0.0)


def kept(probability: Floats, lengths: Floats) -> NDArray[np.bool_]:
    """Return a mask of the runs to keep: those with at least the probability that maximises the page's expected F1.

    With probabilities p and lengths l, the expected F1 of a kept set K is 2 sum_K(p l) / (sum_K(l) + sum(p l)).
    Images have length 0, so they do not change the threshold.
    """
    order = np.argsort(-probability, kind="stable")
    sorted_p, sorted_l = probability[order].astype(np.float64), lengths[order].astype(np.float64)
    expected = 2 * np.cumsum(sorted_p * sorted_l) / (np.cumsum(sorted_l) + (probability * lengths).sum() + 1e-9)
    threshold = float(sorted_p[int(np.argmax(expected))]) if len(order) else _HIGHEST
    return probability >= min(max(threshold, _LOWEST), _HIGHEST)


def save(members: list[Weights], path: Path) -> None:
    """Write networks as one .npz: `0.mean`, `0.scale`, `0.enter.weight` ...; all but mean and scale in float16."""
    arrays: dict[str, NDArray[np.floating]] = {}
    for index, weights in enumerate(members):
        arrays[f"{index}.mean"], arrays[f"{index}.scale"] = weights.mean, weights.scale
        for name, value in weights.parameters.items():
            arrays[f"{index}.{name}"] = value.astype(np.float16)
    np.savez_compressed(path, allow_pickle=False, **arrays)


def load(path: Path) -> list[Weights]:
    """Read networks that `save` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name].astype(np.float32) for name in stored.files}
    count = 1 + max(int(name.partition(".")[0]) for name in arrays)
    members = []
    for index in range(count):
        own = {name.partition(".")[2]: value for name, value in arrays.items() if name.startswith(f"{index}.")}
        members.append(Weights(own.pop("mean"), own.pop("scale"), own))
    return members


@cache
def networks(path: str = "") -> list[Weights]:
    """Return the networks of a weights file, by default those that ship with the package; read once per process."""
    return load(Path(path) if path else _FILE)
