"""Figures of a benchmark from what a model wrote, or from its scores of candidates.

Shapes: S seeds, M records, C candidates of a record, at most.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from corpusloom.schemas import storage
from corpusloom.trainers.evaluation.answers import accuracy, normalise
from corpusloom.trainers.evaluation.answers.normalise import load_contractions
from corpusloom.trainers.evaluation.answers.wordnet import WordNet, read_wordnet
from corpusloom.trainers.evaluation.answers.wups import wups
from corpusloom.trainers.evaluation.captions.cider import cider
from corpusloom.trainers.evaluation.captions.treebank import words_of_captions
from corpusloom.trainers.evaluation.figures import mean, over_seeds
from corpusloom.trainers.evaluation.ranking import ndcg, ranks_of_own, roc_auc
from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.flamingo.benchmarks.weighted_precision import precision_by_chance, weighted_precisions
from corpusloom.trainers.flamingo.prompts.closed_ended import probabilities

CONTRACTIONS, WORDNET = "contractions.json", "wordnet"
"""File in a benchmark's folder with the official table of contractions, and folder `dict` of WordNet."""
References = Sequence[Sequence[str]]


@dataclass(frozen=True)
class AnswerTables:
    """Tables that figures of texts need beside the texts."""

    contractions: Mapping[str, str]
    wordnet: WordNet | None = None


def read_tables(folder: str, metric: str) -> AnswerTables:
    """Return the tables in a benchmark's folder: InputError for WUPS without WordNet; contractions may be our own."""
    table, words = storage.join(folder, CONTRACTIONS), storage.join(folder, WORDNET)
    return AnswerTables(
        load_contractions(table) if storage.exists(table) else normalise.CONTRACTIONS,
        read_wordnet(words) if metric == "wups" else None,
    )


def _ciders(texts: Sequence[str], references: References, tables: AnswerTables) -> list[float]:
    written = [own[0] for own in words_of_captions([[text] for text in texts])]
    return cider(written, words_of_captions(references))


def _each(measure: Callable[[str, Sequence[str], Mapping[str, str]], float]) -> "Written":
    def values(texts: Sequence[str], references: References, tables: AnswerTables) -> list[float]:
        return [measure(text, own, tables.contractions) for text, own in zip(texts, references, strict=True)]

    return values


def _wups(texts: Sequence[str], references: References, tables: AnswerTables) -> list[float]:
    wordnet = tables.wordnet or WordNet({}, {}, {})
    pairs = zip(texts, references, strict=True)
    return [max(wups(text, reference, wordnet) for reference in own) for text, own in pairs]


Written = Callable[[Sequence[str], References, AnswerTables], list[float]]
"""(text, references of each record, tables) -> value of each record."""
WRITTEN: Mapping[str, Written] = {
    "cider": _ciders,
    "vqa_accuracy": _each(accuracy.vqa_accuracy),
    "ivqa_accuracy": _each(accuracy.ivqa_accuracy),
    "top1": _each(accuracy.top1),
    "wups": _wups,
}


NORMALISED = ("vqa_accuracy", "ivqa_accuracy", "top1")
"""Figures of texts that are compared in their normal forms, so with a table of contractions."""


def written_figures(
    metric: str, written: Sequence[Sequence[str]], items: Sequence[Item], tables: AnswerTables
) -> Iterator[tuple[str, float]]:
    """Yield the figure of texts per seed, S times (M,); its value by chance is that of the next record's text."""
    references = [item.references for item in items]
    values = [WRITTEN[metric](texts, references, tables) for texts in written]
    others = [WRITTEN[metric]([*texts[1:], *texts[:1]], references, tables) for texts in written]
    chance = float(torch.tensor(others, dtype=torch.float64).mean())
    yield from over_seeds(metric, torch.tensor(values, dtype=torch.float64), chance, shares=metric != "cider")


def _choice_top1(scores: Tensor, items: Sequence[Item]) -> Iterator[tuple[str, float]]:
    chance = sum(1 / len(item.candidates) for item in items) / len(items)
    own = torch.tensor([item.own for item in items])
    hits = torch.stack([ranks_of_own(seed, own) == 1 for seed in scores])
    yield from over_seeds("top1", hits.double(), chance, shares=True)


def _auc(scores: Tensor, items: Sequence[Item]) -> Iterator[tuple[str, float]]:
    positive = torch.tensor([item.own == 1 for item in items])
    seeds = [dict(roc_auc("auc", probabilities(seed)[:, 1], positive)) for seed in scores]
    yield from ((name, sum(seed[name] for seed in seeds) / len(seeds)) for name in seeds[0])


def _ndcg(scores: Tensor, items: Sequence[Item]) -> Iterator[tuple[str, float]]:
    gains = torch.tensor([item.gains for item in items])
    chance = torch.stack([ndcg(seed.roll(1, 0), gains) for seed in scores])
    yield from over_seeds("ndcg", torch.stack([ndcg(seed, gains) for seed in scores]), float(chance.mean()))
    own = torch.tensor([item.own for item in items])
    ranks = torch.stack([ranks_of_own(seed, own) for seed in scores]).double()
    yield from over_seeds("mean_rank", ranks, (gains.shape[1] + 1) / 2)


def _mwap(scores: Tensor, items: Sequence[Item]) -> Iterator[tuple[str, float]]:
    classes = torch.stack([weighted_precisions(seed, items) for seed in scores]).mean(0)
    yield from mean("mwap", classes, precision_by_chance(items))


SCORED: Mapping[str, Callable[[Tensor, Sequence[Item]], Iterator[tuple[str, float]]]] = {
    "choice_top1": _choice_top1,
    "auc": _auc,
    "ndcg": _ndcg,
    "mwap": _mwap,
}
"""(log likelihoods of candidates, (S, M, C), -inf where a record has fewer; records) -> figures."""


def is_answered(item: Item) -> bool:
    """Return whether a record's answer is published."""
    return bool(item.references) or (item.own is not None)
