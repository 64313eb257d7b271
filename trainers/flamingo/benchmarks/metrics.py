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
from corpusloom.trainers.evaluation.answers.wups import lemmas, load_stop_words, wups
from corpusloom.trainers.evaluation.captions.cider import cider
from corpusloom.trainers.evaluation.captions.treebank import words_of_captions
from corpusloom.trainers.evaluation.figures import mean, over_seeds
from corpusloom.trainers.evaluation.ranking import ndcg, ranks_of_own, roc_auc
from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.flamingo.benchmarks.weighted_precision import precision_by_chance, weighted_precisions
from corpusloom.trainers.flamingo.prompts.closed_ended import probabilities

CONTRACTIONS, STOP_WORDS, WORDNET = "contractions.json", "stopwords.txt", "wordnet"
"""In a benchmark's folder: VQA's table of contractions, NExT-QA's stop words, and the folder `dict` of WordNet."""
EXACT_TYPES = ("DB", "DC")
"""Types of NExT-QA's questions, yes or no and how many, whose answers are right only if they are the same."""


@dataclass(frozen=True)
class AnswerTables:
    """Tables that figures of texts need beside the texts."""

    contractions: Mapping[str, str]
    wordnet: WordNet | None = None
    stop_words: frozenset[str] = frozenset()


def read_tables(folder: str, metric: str) -> AnswerTables:
    """Return the tables in a benchmark's folder: InputError for WUPS without WordNet; contractions may be our own."""
    table, stops, words = (storage.join(folder, name) for name in (CONTRACTIONS, STOP_WORDS, WORDNET))
    return AnswerTables(
        load_contractions(table) if storage.exists(table) else normalise.CONTRACTIONS,
        read_wordnet(words) if metric == "wups" else None,
        load_stop_words(stops) if metric == "wups" and storage.exists(stops) else frozenset(),
    )


def _ciders(texts: Sequence[str], items: Sequence[Item], tables: AnswerTables) -> list[float]:
    written = [own[0] for own in words_of_captions([[text] for text in texts])]
    return cider(written, words_of_captions([item.references for item in items]))


def _each(measure: Callable[[str, Sequence[str], Mapping[str, str]], float]) -> "Written":
    def values(texts: Sequence[str], items: Sequence[Item], tables: AnswerTables) -> list[float]:
        pairs = zip(texts, items, strict=True)
        return [measure(text, item.references, tables.contractions) for text, item in pairs]

    return values


def _wups(texts: Sequence[str], items: Sequence[Item], tables: AnswerTables) -> list[float]:
    wordnet, stops = tables.wordnet or WordNet({}, {}, {}, {}), tables.stop_words

    def value(text: str, reference: str, item: Item) -> float:
        if item.info.get("type") in EXACT_TYPES:
            return float(lemmas(text, wordnet, stops) == lemmas(reference, wordnet, stops))
        return wups(text, reference, wordnet, stops)

    pairs = zip(texts, items, strict=True)
    return [max(value(text, reference, item) for reference in item.references) for text, item in pairs]


Written = Callable[[Sequence[str], Sequence[Item], AnswerTables], list[float]]
"""(text of each record, records, tables) -> value of each record."""
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
    values = [WRITTEN[metric](texts, items, tables) for texts in written]
    others = [WRITTEN[metric]([*texts[1:], *texts[:1]], items, tables) for texts in written]
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
