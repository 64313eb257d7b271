"""The examples from which shots are taken: the evaluated samples themselves, or another dataset."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.flamingo.prompts.episodes import Example
from corpusloom.trainers.stream.plan import SKIPPABLE
from corpusloom.trainers.stream.samples.typed import ClipSample, PairSample, TypedSample

KEPT = 2048
"""Examples in memory, decoded or encoded: as many as the paper's support sets have (section 4.1.2)."""


@dataclass(frozen=True)
class ShotPool:
    """Examples by number. One that cannot be read is passed over, and the next one is taken."""

    size: int
    read: Callable[[int], Example]
    own: bool
    """Whether each query is in the pool itself."""
    where: str
    """Path of the dataset."""
    digest: str | None = None
    """Digest of the dataset; None: the pool is a part of it."""
    keys: Callable[[], list[str]] = list
    """Returns the key of each example of a whole dataset, without reading it."""

    def check_holds(self, shots: int) -> None:
        """Raise InputError if there are fewer examples than `shots` for each query."""
        needed = shots + self.own
        if self.size < needed:
            raise InputError(
                f"holds {self.size} samples", where=self.where, remedy=f"{shots} examples per query need {needed}"
            )

    def take(self, numbers: Iterable[int], count: int, query: Example) -> list[Example]:
        """Return the first `count` examples of these numbers that can be read; InputError if there are fewer.

        An example with the query's key or image is left out, because its text would give the answer away.
        """
        found: list[Example] = []
        for number in numbers:
            if len(found) == count:
                break
            try:
                example = self.read(number)
            except SKIPPABLE:
                continue
            same = (example.key and example.key == query.key) or np.array_equal(example.pixels, query.pixels)
            if not same:
                found.append(example)
        if len(found) < count:
            raise InputError(
                f"has {len(found)} of {count} shots, without those that cannot be read or show the query's image",
                where=self.where,
                remedy="ask for fewer shots, or give a larger --pool",
            )
        return found


def open_pool(path: str, transform: FlamingoTransform, closing: ExitStack) -> ShotPool:
    """Return a dataset as a pool; samples are read when they are taken, and its files are closed with `closing`."""
    source = dataset_source([path], partial(to_example, transform), closing)
    items = list(source.items)
    return ShotPool(
        len(items),
        lru_cache(KEPT)(lambda number: source.read(items[number])),
        False,
        path,
        items[0][0].reader.indexes[0].digest,
        lambda: [source.name(item) for item in items],
    )


def to_example(transform: FlamingoTransform, sample: TypedSample) -> Example:
    """Return a pair or a clip as an example with its caption; `transform` does not augment."""
    if not isinstance(sample, PairSample | ClipSample):
        raise ConfigError(
            "few-shot evaluation needs captions", where="--data", remedy="give a dataset of pairs or of video clips"
        )
    pixels = transform(sample, np.random.default_rng(0))["images"][0]
    return Example(pixels, sample.text, key=sample.key)
