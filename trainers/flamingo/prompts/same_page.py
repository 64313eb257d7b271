"""Captions after shots from the query's own page: whether a model reads its context, with controls of one change each.

The paper's claim is that examples in the context help (arXiv 2204.14198, section 3.3). A page whose pictures are all
described in one form makes it measurable: a shot tells the form of the query's caption.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.evaluation.batches import EvaluationSettings, read_all
from corpusloom.trainers.evaluation.captions.word_f1 import word_f1_by_chance, word_f1s
from corpusloom.trainers.evaluation.figures import mean, share
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.flamingo.decoding import DecodingConfig
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.episodes import Example, episode, trim
from corpusloom.trainers.flamingo.prompts.own_image import caption_log_likelihoods, right_against_wrong
from corpusloom.trainers.flamingo.prompts.pool import to_example
from corpusloom.trainers.flamingo.prompts.sequence import generate
from corpusloom.trainers.flamingo.task import load_evaluated
from corpusloom.trainers.stream.samples.typed import PairSample, TypedSample

Attributes = Callable[[str], Mapping[str, str]]
"""Returns what a caption names: kind of attribute -> value, such as colour -> red."""
NEW_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Trial:
    """A choice of shots: how many, and the pages of their texts and of their images, counted from the query's page."""

    shots: int
    texts: int = 0
    images: int = 0


TRIALS = {
    "f1_0_shots": Trial(0),
    "f1_1_shot": Trial(1),
    "f1_2_shots": Trial(2),
    "f1_4_shots": Trial(4),
    "f1_1_shot_wrong_image": Trial(1, images=1),
    "f1_1_shot_other_page": Trial(1, texts=1, images=1),
}
"""Figure -> its trial; the last two are controls, and the following page stands in for another."""


def page_figures(path: str, data: str, attributes: Attributes, pages: int | None = None) -> dict[str, float]:
    """Return figures of a checkpoint on the pairs of a dataset, on the first `pages` pages or all of them.

    - right_image_likelier: share of captions that are likelier with their own image than with the next one's;
    - NAME_named: share of captions written without shots that name the image's attribute NAME;
    - the trials' names: mean word F1 of the captions written; `f1_gain`: the gain from 0 to 1 shot, per query.
    """
    model, transform = load_evaluated(path)
    found = read_pages(data, transform)[:pages]
    items = [item for page in found for item in page]
    written = {name: write(model, transform, found, trial) for name, trial in TRIALS.items()}
    pairs = [(item, items[(number + 1) % len(items)]) for number, item in enumerate(items)]
    likelihoods = torch.cat(
        [caption_log_likelihoods(model, pairs[at : at + 64], transform.vocabulary) for at in range(0, len(pairs), 64)]
    )
    values = dict(right_against_wrong(likelihoods))
    values |= dict(named(written["f1_0_shots"], [item.text for item in items], attributes))
    return values | dict(gains(written, [item.text for item in items]))


def read_pages(data: str, transform: FlamingoTransform) -> list[list[Example]]:
    """Return the pairs of a dataset by page, pages in the order of their URLs; InputError if a page has too few."""

    def row(sample: TypedSample) -> tuple[str, Example]:
        example = to_example(transform, sample)
        return str(sample.info.get("page_url", "")) if isinstance(sample, PairSample) else "", example

    with ExitStack() as closing:
        rows, _ = read_all(dataset_source([data], row, closing), EvaluationSettings())
    pages: dict[str, list[Example]] = {}
    for url, example in sorted(rows, key=lambda row: (row[0], row[1].key)):
        pages.setdefault(url, []).append(example)
    needed = 1 + max(trial.shots for trial in TRIALS.values())
    for url, page in pages.items():
        if len(page) < needed:
            raise InputError(f"page {url!r} has {len(page)} pairs", where=data, remedy=f"{needed} per page are needed")
    return list(pages.values())


def shots_of(pages: Sequence[Sequence[Example]], page: int, place: int, trial: Trial) -> list[Example]:
    """Return the shots of a page's query: those after it in their page, the first after the last."""

    def take(offset: int, step: int) -> Example:
        source = pages[(page + offset) % len(pages)]
        return source[(place + step) % len(source)]

    steps = range(1, trial.shots + 1)
    return [replace(take(trial.texts, step), pixels=take(trial.images, step).pixels) for step in steps]


def write(model: Flamingo, transform: FlamingoTransform, pages: Sequence[Sequence[Example]], trial: Trial) -> list[str]:
    """Return the caption that the model writes for each pair, greedily, after the trial's shots, without a prompt."""
    rows = [
        episode(query, shots_of(pages, number, place, trial), "")
        for number, page in enumerate(pages)
        for place, query in enumerate(page)
    ]
    return [trim(text) for text in generate(model, rows, transform.vocabulary, DecodingConfig(limit=NEW_TOKENS))]


def named(written: Sequence[str], references: Sequence[str], attributes: Attributes) -> Iterator[tuple[str, float]]:
    """Yield per kind of attribute the share of captions that name the reference's; chance: one among all values."""
    wanted, found = [attributes(text) for text in references], [attributes(text) for text in written]
    for kind in sorted({kind for one in wanted for kind in one}):
        asked = [(one[kind], other.get(kind)) for one, other in zip(wanted, found, strict=True) if kind in one]
        hits = torch.tensor([value == given for value, given in asked])
        yield from share(f"{kind}_named", hits, 1 / len({value for value, _ in asked}))


def gains(written: Mapping[str, Sequence[str]], references: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield the word F1 of each trial, by chance that against the next caption, and the gain from 0 to 1 shot."""
    scores = {name: word_f1s(texts, references) for name, texts in written.items()}
    for name, score in scores.items():
        yield from mean(name, score, word_f1_by_chance(written[name], references))
    yield from mean("f1_gain", scores["f1_1_shot"] - scores["f1_0_shots"], 0.0)
