"""Word lists by path."""

from pathlib import Path

import pytest

from corpusloom.pipelines.filters.text.text_filter import WordLists
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.recipes.word_lists import list_hashes, load_word_lists, read_words
from corpusloom.schemas.errors import InputError


def test_a_list_has_one_word_per_line_in_lower_case(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("# a comment\nTHE\n\n cat \n")
    assert read_words(str(tmp_path / "words.txt")) == {"the", "cat"}


def test_a_missing_list_is_an_error_that_names_it() -> None:
    with pytest.raises(InputError, match=r"absent\.txt"):
        load_word_lists(load_recipe("mmc4", ["filters.lists.bad_words=/absent.txt"]))


def test_a_hash_is_that_of_the_words_alone() -> None:
    first, second = (WordLists(bad_words=frozenset(words)) for words in (("a", "b"), ("b", "a")))
    assert list_hashes(first) == list_hashes(second)
    assert list_hashes(first)["bad_words"] != list_hashes(WordLists(bad_words=frozenset(("a",))))["bad_words"]
    assert list_hashes(first)["tokens"] is None
