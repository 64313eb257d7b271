"""Evaluates a Flamingo on a benchmark: shots from its support split, figures, and outputs for a submission."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.evaluation.answers import normalise, wups
from corpusloom.trainers.evaluation.batches import EvaluationSettings, Figures, ItemSource, measure_batches
from corpusloom.trainers.evaluation.captions import tokens
from corpusloom.trainers.evaluation.captions.treebank import is_official
from corpusloom.trainers.evaluation.finished import Measured
from corpusloom.trainers.evaluation.written_texts import pack, unpack
from corpusloom.trainers.flamingo.benchmarks.benchmark import FewShotBenchmark, find
from corpusloom.trainers.flamingo.benchmarks.formats.readers import read_items
from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.flamingo.benchmarks.media import read_pixels
from corpusloom.trainers.flamingo.benchmarks.metrics import (
    CONTRACTIONS,
    NORMALISED,
    SCORED,
    STOP_WORDS,
    AnswerTables,
    is_answered,
    read_tables,
    written_figures,
)
from corpusloom.trainers.flamingo.benchmarks.submission import FORMS
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.episodes import Example
from corpusloom.trainers.flamingo.prompts.few_shot import Trials
from corpusloom.trainers.flamingo.prompts.image_encoder import ImageEncoder
from corpusloom.trainers.flamingo.prompts.pool import KEPT, ShotPool
from corpusloom.trainers.flamingo.prompts.rices import embed_pool, nearest

SUPPORT = 2048
"""Records from which shots are taken, at most: drawn from the support split (section 4.1.2)."""


def measure_benchmark(
    model: Flamingo, transform: FlamingoTransform, data: str, settings: EvaluationSettings
) -> Figures:
    """Return the figures of a benchmark whose files are in the folder `data`, per number of shots, and the outputs.

    Records whose image or video cannot be read are skipped. A split without published answers gives outputs alone.
    """
    benchmark = find(settings.benchmark or "")
    items = read_items(benchmark, data, settings.split or benchmark.query)[: settings.limit]
    tables = read_tables(data, benchmark.metric)
    if not settings.writes and not any(map(is_answered, items)):
        what = f"the answers of the split {settings.split or benchmark.query} are not there: no figures"
        raise InputError(what, where=data, remedy="add them, or keep the outputs for a submission with --out FILE")
    pool = open_support(benchmark, data, transform, settings)
    trials = Trials(model.eval(), transform.vocabulary, (), pool, None, settings)
    embedded = embed_pool(model.vision, pool) if settings.rices else None
    plan = [(shots, seed) for shots in settings.shots for seed in range(settings.seeds)]
    most, width = max(settings.shots), max(len(item.candidates) for item in items)

    def measure(rows: Sequence[tuple[int, Example]]) -> dict[str, Tensor]:
        queries, numbers = dict(rows), [number for number, _ in rows]
        similar = None
        if embedded is not None:
            found = nearest(model.vision, list(queries.values()), embedded, most)
            similar = dict(zip(queries, found, strict=True))
        asked = replace(trials, queries=queries, similar=similar, encoder=ImageEncoder(model, KEPT))
        measured = {"number": torch.tensor(numbers)}
        for shots, seed in plan:
            if benchmark.metric in SCORED:
                scores = asked.scores(numbers, shots, seed, [items[number].candidates for number in numbers])
                given = torch.stack([F.pad(row, (0, width - len(row)), value=-torch.inf) for row in scores])
            else:
                given = pack(asked.texts(numbers, shots, seed))
            measured[f"{shots}.{seed}"] = given
        return measured

    source = ItemSource(
        range(len(items)),
        lambda number: (number, to_example(items[number], transform)),
        lambda number: str(items[number].key),
        data,
    )
    found = measure_batches(source, measure, settings, next(model.parameters()).device)
    return _Outcome(benchmark, [items[number] for number in found.tensors["number"]], found, plan).figures(tables)


def open_support(
    benchmark: FewShotBenchmark, data: str, transform: FlamingoTransform, settings: EvaluationSettings
) -> ShotPool:
    """Return the records from which shots are taken; InputError if there are fewer than the most shots.

    Scored benchmarks need none for zero shots, and then their support split is not read.
    """
    least = 0 if benchmark.metric in SCORED else settings.text_shots
    needed = max(count or least for count in settings.shots)
    if needed == 0:
        return ShotPool(0, lambda number: to_example(items[number], transform), False, data)
    if benchmark.support is None:
        raise ConfigError("the benchmark has no split of examples", where="--shots", remedy="--shots 0")
    items = [item for item in read_items(benchmark, data, benchmark.support) if item.answer is not None]
    if len(items) > SUPPORT:
        items = [items[number] for number in np.random.default_rng(0).choice(len(items), SUPPORT, replace=False)]
    read = lru_cache(KEPT)(lambda number: to_example(items[number], transform))
    pool = ShotPool(len(items), read, False, f"{data}: {benchmark.support}")
    pool.check_holds(needed)
    return pool


def to_example(item: Item, transform: FlamingoTransform) -> Example:
    """Return a record as an example; SampleError if its image or video cannot be read."""
    return Example(read_pixels(item, transform), item.answer or "", item.prompt, str(item.key))


@dataclass(frozen=True)
class _Outcome:
    """Outputs of a model for the records that could be read."""

    benchmark: FewShotBenchmark
    items: Sequence[Item]
    measured: Measured
    plan: Sequence[tuple[int, int]]

    def figures(self, tables: AnswerTables) -> Figures:
        """Return figures per number of shots, and the files of outputs."""
        values, notes = dict[str, float](), list(self._notes(tables))
        answered = [number for number, item in enumerate(self.items) if is_answered(item)]
        for shots in dict.fromkeys(shots for shots, _ in self.plan if answered):
            own = [self._outputs(trial) for trial in self.plan if trial[0] == shots]
            for name, value in self._values(own, answered, tables):
                values[f"{shots}_shots.{name}"] = value
        skipped = self.measured.skipped
        values |= {"records": float(len(self.items)), "skipped": float(len(skipped))}
        return Figures(values, skipped, self.measured.reused, tuple(notes), files=dict(self._files()))

    def _outputs(self, trial: tuple[int, int]) -> Sequence[str] | Tensor:
        found = self.measured.tensors[f"{trial[0]}.{trial[1]}"]
        return found if self.benchmark.metric in SCORED else unpack(found)

    def _values(
        self, outputs: Sequence[Sequence[str] | Tensor], answered: Sequence[int], tables: AnswerTables
    ) -> Iterator[tuple[str, float]]:
        """Yield the figures of outputs per seed, over the records whose answers are published."""
        items = [self.items[number] for number in answered]
        scores = [found[answered] for found in outputs if isinstance(found, Tensor)]
        texts = [[found[number] for number in answered] for found in outputs if not isinstance(found, Tensor)]
        if scores:
            yield from SCORED[self.benchmark.metric](torch.stack(scores), items)
        else:
            yield from written_figures(self.benchmark.metric, texts, items, tables)

    def _notes(self, tables: AnswerTables) -> Iterator[str]:
        metric = self.benchmark.metric
        missing = sum(not is_answered(item) for item in self.items)
        if missing:
            what = "no figures, outputs alone" if missing == len(self.items) else "they are not in the figures"
            yield f"{missing:,} of {len(self.items):,} records have no answer: {what}"
        if missing == len(self.items):
            return
        if metric == "cider" and not is_official():
            yield tokens.NOT_OFFICIAL
        elif metric in NORMALISED and tables.contractions is normalise.CONTRACTIONS:
            yield f"{normalise.NOT_OFFICIAL}; put the official one into the folder as {CONTRACTIONS}"
        elif metric == "wups":
            remedy = f"{wups.NO_STOP_WORDS}; put the {STOP_WORDS} of that code into the folder"
            yield wups.NO_TAGGER if tables.stop_words else remedy

    def _files(self) -> Iterator[tuple[str, bytes]]:
        ending, make = FORMS[self.benchmark.submission]
        for shots, seed in self.plan:
            yield f"{shots}_shots.seed{seed}.{ending}", make(self.items, self._outputs((shots, seed)))
