"""Evaluation of a Flamingo: likelihood of captions given their image, and few-shot episodes (section 3.3)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.zero_shot.class_names import ClassName, folded, load_classes
from corpusloom.trainers.evaluation.batches import (
    Evaluation,
    EvaluationSettings,
    Figures,
    ItemSource,
    measure_batches,
    read_all,
)
from corpusloom.trainers.evaluation.captions.word_f1 import word_f1_by_chance, word_f1s
from corpusloom.trainers.evaluation.figures import over_seeds
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.evaluation.written_texts import WrittenText, pack, unpack
from corpusloom.trainers.flamingo.benchmarks.measure import measure_benchmark
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.episodes import Example
from corpusloom.trainers.flamingo.prompts.few_shot import Trials
from corpusloom.trainers.flamingo.prompts.image_encoder import ImageEncoder
from corpusloom.trainers.flamingo.prompts.own_image import caption_log_likelihoods, right_against_wrong
from corpusloom.trainers.flamingo.prompts.pool import KEPT, ShotPool, open_pool, to_example
from corpusloom.trainers.flamingo.prompts.rices import most_similar


def evaluations() -> Mapping[str, Evaluation]:
    """Return the evaluations of a Flamingo by name; they take its transform of samples beside it."""
    return {"few-shot": few_shot_of}


def few_shot_of(model: Flamingo, transform: FlamingoTransform, data: str, settings: EvaluationSettings) -> Figures:
    """Return the share of captions that are likelier with their own image, and figures of few-shot episodes.

    An episode gives a generated caption or, with `settings.classes`, the likeliest class. There is one per query,
    number of shots and seed. With `settings.benchmark` the figures are those of the benchmark.
    """
    if settings.benchmark is not None:
        return measure_benchmark(model, transform, data, settings)
    device, vocabulary = next(model.parameters()).device, transform.vocabulary
    plan = [(shots, seed) for shots in settings.shots for seed in range(settings.seeds)]
    classes = () if settings.classes is None else load_classes(settings.classes)
    with ExitStack() as closing:
        source = dataset_source([data], partial(to_example, transform), closing, limit=settings.limit)
        items, skipped = read_all(source, settings)
        if len(items) < 2:
            raise InputError("holds 1 sample", where=data, remedy="a caption is compared with that of another")
        own = ShotPool(len(items), items.__getitem__, True, data)
        pool = own if settings.pool is None else open_pool(settings.pool, transform, closing)
        most = max(shots or settings.text_shots for shots in settings.shots)
        pool.check_holds(most)
        labels = labels_of(items, classes, settings.classes or "")
        similar = most_similar(model.vision, items, pool, most) if settings.rices else None
        trials = Trials(model.eval(), vocabulary, items, pool, similar, settings)
        names = [name.shown for name in classes]

        def measure(numbers: Sequence[int]) -> dict[str, Tensor]:
            # Tokens are kept within a batch only: which images are encoded together must not depend on a resume.
            encoder = ImageEncoder(model, KEPT)
            batch = replace(trials, encoder=encoder)
            pairs = [(items[number], items[(number + 1) % len(items)]) for number in numbers]
            found = {"likelihoods": caption_log_likelihoods(model, pairs, vocabulary, encoder)}
            for shots, seed in plan:
                given = batch.classes(numbers, shots, seed, names) if names else batch.texts(numbers, shots, seed)
                found[f"{shots}.{seed}"] = pack(given)
            return found

        numbers = ItemSource(range(len(items)), lambda number: number, str, data)
        found = measure_batches(numbers, measure, settings, device)
    texts = {trial: unpack(found.tensors[f"{trial[0]}.{trial[1]}"]) for trial in plan}
    values = dict(right_against_wrong(found.tensors["likelihoods"]))
    for shots in settings.shots:
        written = [texts[shots, seed] for seed in range(settings.seeds)]
        named = _top1(written, labels, len(classes)) if classes else _captions(written, [item.text for item in items])
        first = "" if len(settings.shots) == 1 else f"{shots}_shots."
        values |= {f"{first}{name}": value for name, value in named}
    if len(settings.shots) == 1:
        values |= {"shots": float(settings.shots[0])}
    return Figures(values | {"skipped": float(len(skipped))}, skipped, found.reused, texts=tuple(_listed(texts, items)))


def labels_of(items: Sequence[Example], classes: Sequence[ClassName], where: str) -> list[str]:
    """Return the class of each item, named by its caption; InputError if there is none of that name."""
    if not classes:
        return []
    shown = {label: name.shown for name in classes for label in map(folded, name.names)}
    for item in items:
        if folded(item.text) not in shown:
            what = f"no class {item.text!r}, the caption of sample {item.key}"
            raise InputError(what, where=where, remedy="add it to --classes, or evaluate a dataset of class names")
    return [shown[folded(item.text)] for item in items]


def _captions(written: Sequence[Sequence[str]], references: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield the word F1 of captions per seed, and as chance that against the next sample's caption."""
    values = torch.stack([word_f1s(texts, references) for texts in written])
    chances = [word_f1_by_chance(texts, references) for texts in written]
    yield from over_seeds("caption_word_f1", values, sum(chances) / len(chances))


def _top1(written: Sequence[Sequence[str]], labels: Sequence[str], classes: int) -> Iterator[tuple[str, float]]:
    """Yield the share of right classes per seed."""
    hits = [[float(text == label) for text, label in zip(texts, labels, strict=True)] for texts in written]
    yield from over_seeds("class_top1", torch.tensor(hits, dtype=torch.float64), 1 / classes, shares=True)


def _listed(texts: Mapping[tuple[int, int], Sequence[str]], items: Sequence[Example]) -> Iterator[WrittenText]:
    for (shots, seed), written in texts.items():
        for item, text in zip(items, written, strict=True):
            yield WrittenText(key=item.key, shots=shots, seed=seed, text=text, reference=item.text)
