"""Word lists that a recipe names by path."""

import dataclasses
import hashlib
from functools import lru_cache

from corpusloom.pipelines.filters.text.text_filter import WordLists
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.recipes.rules import WordListPaths
from corpusloom.schemas import storage


def read_words(path: str) -> frozenset[str]:
    """Read a word list, one word per line, in lower case; lines that start with # are comments."""
    lines = storage.read_bytes(path).decode("utf-8", "replace").splitlines()
    return frozenset(line.strip().lower() for line in lines if line.strip() and not line.startswith("#"))


def load_word_lists(recipe: Recipe) -> WordLists:
    """Read the word lists that a recipe names, cached per process; a missing file is an InputError."""
    return _word_lists(recipe.filters.lists)


@lru_cache(maxsize=4)
def _word_lists(paths: WordListPaths) -> WordLists:
    named = dataclasses.asdict(paths).items()
    return WordLists(**{name: None if path is None else read_words(path) for name, path in named})


def list_hashes(lists: WordLists) -> dict[str, str | None]:
    """Return the sha256 of the words of each list by name; None for a list that is not given."""
    return {
        name: None if found is None else hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()
        for name, found in dataclasses.asdict(lists).items()
    }
