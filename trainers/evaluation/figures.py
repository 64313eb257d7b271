"""Figures of evaluations: NAME with its 95 % interval, NAME_low to NAME_high, the number of its trials, NAME_n, and its
value by chance, NAME_chance.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from corpusloom.schemas.errors import InputError

_REMEDY = "take an earlier checkpoint, or try --dtype fp32"
Z = 1.959964
"""Standard deviations on each side of a 95 % interval."""


class NotFiniteError(InputError):
    """A model gives embeddings or scores that are not finite."""


def check_finite(values: Tensor, what: str, kind: str = "embeddings") -> None:
    """Raise NotFiniteError if rows of values, (N, D), are NaN or infinite: they would rank by no rule."""
    bad = int((~values.isfinite().all(1)).sum())
    if bad:
        raise NotFiniteError(f"{kind} of {bad:,} of {len(values):,} {what} are not finite", remedy=_REMEDY)


def wilson(successes: float, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927); (0, 1) without trials."""
    if total == 0:
        return 0.0, 1.0
    share, weight = successes / total, Z * Z / total
    centre = (share + weight / 2) / (1 + weight)
    half = Z * math.sqrt(share * (1 - share) / total + weight / (4 * total)) / (1 + weight)
    return max(0.0, centre - half), min(1.0, centre + half)


def share(name: str, hits: Tensor, chance: float) -> Iterator[tuple[str, float]]:
    """Yield the share of trials that are hits, (Q,) bool."""
    low, high = wilson(int(hits.sum()), len(hits))
    yield name, float(hits.float().mean())
    yield from around(name, low, high, len(hits), chance)


def mean(name: str, values: Tensor, chance: float) -> Iterator[tuple[str, float]]:
    """Yield the mean of independent values, (Q,), with the interval of a normal distribution."""
    middle = float(values.double().mean())
    half = Z * float(values.double().std()) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    yield name, middle
    yield from around(name, middle - half, middle + half, len(values), chance)


def over_seeds(name: str, values: Tensor, chance: float, *, shares: bool = False) -> Iterator[tuple[str, float]]:
    """Yield the mean of values over queries, each its mean over seeds, (S, M), and the deviation between seeds.

    With `shares` the values are from 0 to 1, and the interval is Wilson's of as many hits: values between vary less
    than hits, and equal ones do not make it vanish.
    """
    queries = values.mean(0)
    if shares:
        yield name, float(queries.mean())
        yield from around(name, *wilson(float(queries.sum()), len(queries)), len(queries), chance)
    else:
        yield from mean(name, queries, chance)
    if len(values) > 1:
        yield f"{name}_std_of_seeds", float(values.mean(1).std())


def mean_of_groups(name: str, hits: Tensor, groups: Tensor, chance: float) -> Iterator[tuple[str, float]]:
    """Yield the mean over groups of the share of hits, (Q,) bool, (Q,) int; the interval adds two trials per group."""
    counts = groups.bincount()
    right = groups.bincount(weights=hits.double())[counts > 0]
    trials = counts[counts > 0].double()
    smooth = (right + 1) / (trials + 2)
    half = Z * float((smooth * (1 - smooth) / trials).sum().sqrt()) / len(trials)
    middle = float((right / trials).mean())
    yield name, middle
    yield from around(name, max(0.0, middle - half), min(1.0, middle + half), len(hits), chance)


def around(name: str, low: float, high: float, trials: int, chance: float) -> Iterator[tuple[str, float]]:
    """Yield the interval of a figure, the number of its trials and its value by chance."""
    yield f"{name}_low", low
    yield f"{name}_high", high
    yield f"{name}_n", float(trials)
    yield f"{name}_chance", chance


def recalls(name: str, scores: Tensor, positive: Tensor, ks: Sequence[int]) -> Iterator[tuple[str, float]]:
    """Yield R@k as NAMEk: the share of queries with a right candidate among the first k, (Q, K), (Q, K) bool.

    Wrong candidates of equal score rank first, so that copies of a candidate cannot inflate the figure.
    """
    yield from recalls_of_ranks(name, rank_of(scores, positive), positive.sum(1), positive.shape[1], ks)


def recalls_of_ranks(
    name: str, ranks: Tensor, right: Tensor, candidates: int, ks: Sequence[int]
) -> Iterator[tuple[str, float]]:
    """Yield R@k as NAMEk, given the rank of the best right candidate and the number of right ones per query, (Q,)."""
    for k in ks:
        yield from share(f"{name}{k}", ranks < k, recall_by_chance(right, candidates, k))


def rank_of(scores: Tensor, positive: Tensor) -> Tensor:
    """Return how many wrong candidates score at least as high as the best right one: (Q, K), (Q, K) bool -> (Q,)."""
    best = scores.masked_fill(~positive, -math.inf).amax(1, keepdim=True)
    return ((scores >= best) & ~positive).sum(1)


def recall_by_chance(right: Tensor, candidates: int, k: int) -> float:
    """Return the R@k of candidates in random order: 1 - C(wrong, k) / C(all, k), the mean over queries.

    `right` is the number of right candidates per query, (Q,).
    """
    wrong, drawn = (candidates - right)[:, None].double(), torch.arange(min(k, candidates), device=right.device)
    missed = ((wrong - drawn).clamp(min=0) / (candidates - drawn)).prod(1)
    return float(1 - missed.mean())
