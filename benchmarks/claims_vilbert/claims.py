"""The claims: which models each compares on which tasks, and the rows of its table."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.claims_common.estimates import estimate
from benchmarks.claims_common.rows import Row, row
from benchmarks.claims_vilbert.bench import Bench
from benchmarks.claims_vilbert.floor import FLOOR_NAMES
from benchmarks.claims_vilbert.measure import ANSWERS, BOTH, KS, RATIONALES
from benchmarks.claims_vilbert.plan import BASE, ONE_STREAM, RANDOM, SHARES, TASKS, Pretrained, Task

FIGURES = {
    "vqa": ("accuracy",),
    "vcr": (BOTH, ANSWERS, RATIONALES),
    "refcoco": ("accuracy",),
    "retrieval": tuple(f"R@{k}" for k in KS),
}
"""Task -> its figures, first the one in which models are compared."""
ZERO_SHOT = f"zero-shot R@{KS[0]}"
Wanted = list[tuple[Pretrained, Task | None]]


def pretraining_helps(bench: Bench) -> Iterator[Row]:
    """After the pre-training every task is learnt better than from random weights; the floors stand beside."""
    claim = "pre-training helps"
    for name, task in TASKS.items():
        for figure in FIGURES[name]:
            label = f"{name}, {figure}"
            found, plain = (bench.values(given, task, figure) for given in (BASE, RANDOM))
            yield row(claim, label, (BASE.name, RANDOM.name), found, plain)
            yield row("above the floor", label, (BASE.name, FLOOR_NAMES[name]), found, bench.floor(task, figure))


def two_streams(bench: Bench) -> Iterator[Row]:
    """Two streams are better than one of equal depth and about as many parameters."""
    claim, sides = "two streams beat one", ("two streams", ONE_STREAM.name)
    for name, task in TASKS.items():
        figure = FIGURES[name][0]
        found = [bench.values(given, task, figure) for given in (BASE, ONE_STREAM)]
        yield row(claim, f"{name}, {figure}", sides, *found)
    yield row(claim, ZERO_SHOT, sides, *(bench.values(given, None, f"R@{KS[0]}") for given in (BASE, ONE_STREAM)))


def zero_shot(bench: Bench) -> Iterator[Row]:
    """The alignment head retrieves images of scenes that it has not seen, without further training."""
    claim = "the alignment head works zero-shot"
    for k in KS:
        found, chance = bench.values(BASE, None, f"R@{k}"), k / bench.size.exam
        yield row(claim, f"R@{k}", (BASE.name, "chance"), found, np.full_like(found, chance))
        yield row(
            "above the floor", f"R@{k}", (BASE.name, FLOOR_NAMES["retrieval"]), found, bench.floor(None, f"R@{k}")
        )


def more_data(bench: Bench) -> Iterator[Row]:
    """The more captions, the better the tasks and the zero-shot retrieval, in equally many steps."""
    claim = "more data is better"
    for name, task in TASKS.items():
        figure = FIGURES[name][0]
        found = [bench.values(given, task, figure) for given in SHARES]
        yield from _rising(claim, f"{name}, {figure}", [given.name for given in SHARES], found)
    shares = [given for given in SHARES if given.share]
    found = [bench.values(given, None, f"R@{KS[0]}") for given in shares]
    chance = np.full_like(found[0], 1 / bench.size.exam)
    yield from _rising(claim, ZERO_SHOT, ["chance", *(given.name for given in shares)], [chance, *found])


def _rising(claim: str, figure: str, names: Sequence[str], found: Sequence[np.ndarray]) -> Iterator[Row]:
    """Yield the first figure, then each with its difference from the one before."""
    yield Row(claim, figure, names[0], estimate(found[0]))
    for at in range(1, len(names)):
        yield row(claim, figure, (names[at], names[at - 1]), found[at], found[at - 1])


@dataclass(frozen=True, slots=True)
class Claim:
    """The rows of a claim, and the models and tasks that they need."""

    rows: Callable[[Bench], Iterator[Row]]
    models: tuple[Pretrained, ...]
    tasks: bool = True
    """Whether the models are fine-tuned for the tasks."""


CLAIMS = {
    "pretraining": Claim(pretraining_helps, (BASE, RANDOM)),
    "streams": Claim(two_streams, (BASE, ONE_STREAM)),
    "zero-shot": Claim(zero_shot, (BASE,), tasks=False),
    "data": Claim(more_data, SHARES),
}


def wanted_of(names: Sequence[str]) -> Wanted:
    """Return the models and tasks that claims need, each once; the pre-training alone is one of a model's tasks."""
    found: Wanted = []
    for name in names:
        claim = CLAIMS[name]
        for given in claim.models:
            found += [(given, None)] if given.share else []
            found += [(given, task) for task in TASKS.values()] if claim.tasks else []
    return list(dict.fromkeys(found))


def rows_of(bench: Bench, names: Sequence[str]) -> list[Row]:
    """Train and measure what the claims need, and return their rows."""
    bench.prepare(wanted_of(names))
    return [found for name in names for found in CLAIMS[name].rows(bench)]
