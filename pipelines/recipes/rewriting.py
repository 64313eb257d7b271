"""Rewrites the text of a pair as a recipe says, and measures it on the way (Conceptual Captions)."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from corpusloom.pipelines.filters.pairs.conceptual import (
    boilerplate,
    caption_rules,
    hypernyms,
    persons,
    polarity,
    tagged_text,
    taggers,
    textblob_tagger,
    wordnet,
)
from corpusloom.pipelines.filters.pairs.conceptual.boilerplate import Phrases, bundled_lines, parse_phrases
from corpusloom.pipelines.filters.pairs.conceptual.tagged_text import tag_text
from corpusloom.pipelines.filters.pairs.conceptual.taggers import load_tagger
from corpusloom.pipelines.filters.pairs.conceptual.wordnet import load_wordnet
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.recipes.word_lists import list_hashes, load_word_lists
from corpusloom.schemas import storage
from corpusloom.schemas.verdicts import Scores

VERSION = 1
_MODULES = (boilerplate, caption_rules, hypernyms, persons, polarity, tagged_text, taggers, textblob_tagger, wordnet)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A text before and after it is rewritten."""

    measured: str
    """The text that rules judge: without known beginnings and endings."""
    text: str
    """The text of the dataset."""
    scores: Scores
    hypernyms: tuple[str, ...] = ()
    """The nouns that replaced names."""


def rewrite(text: str, recipe: Recipe) -> Rewritten:
    """Return a text as the table `filters.conceptual` rewrites it, and its scores; without the table as it is."""
    config = recipe.filters.conceptual
    if config is None:
        return Rewritten(text, text, {})
    scores: Scores = {}
    if config.boilerplate:
        known = load_phrases(config.phrases)
        scores["boilerplate_caption"] = float(known.rejects(text))
        text = known.cut(text)
    tagged = tag_text(text, load_tagger(config.tagger))
    scores |= caption_rules.measure_tagged(tagged, load_word_lists(recipe).bad_words)
    if config.wordnet is not None:
        made = hypernyms.replace_names(tagged, load_wordnet(config.wordnet))
        scores |= {
            "unresolved_names": float(made.unresolved),
            "rewritten_words": float(made.words),
            "incomplete_caption": float(made.is_incomplete),
        }
        return Rewritten(text, made.text or text, scores, made.hypernyms)
    return Rewritten(text, text if config.person is None else persons.mask_persons(tagged, config.person), scores)


@lru_cache(maxsize=4)
def load_phrases(path: str | None) -> Phrases:
    """Return the phrases that ship and those of a file; a line of another form is an InputError."""
    known = parse_phrases(bundled_lines(), boilerplate.BUNDLED)
    if path is None:
        return known
    added = parse_phrases(storage.read_bytes(path).decode("utf-8", "replace").splitlines(), path)
    return Phrases((*known.phrases, *added.phrases))


def check_rewriting(recipe: Recipe) -> None:
    """Raise ConfigError for a tagger or a WordNet that is not installed, InputError for phrases that cannot be read."""
    rewrite("", recipe)


def rewritten_by(recipe: Recipe) -> dict[str, Any] | None:
    """Return the values that change rewritten texts and their scores; None for a recipe without the table."""
    config = recipe.filters.conceptual
    if config is None:
        return None
    listed = load_phrases(config.phrases).phrases if config.boilerplate else ()
    return {
        "versions": [VERSION, *(module.VERSION for module in _MODULES)],
        "tagger": load_tagger(config.tagger).identity,
        "phrases": hashlib.sha256("\n".join(map(" ".join, listed)).encode()).hexdigest() if listed else None,
        "bad_words": list_hashes(load_word_lists(recipe))["bad_words"],
        "person": config.person,
        "wordnet": None if config.wordnet is None else load_wordnet(config.wordnet).sha256,
        "heads": config.min_hypernym_captions is not None,
    }
