"""Entries are found as MetaCLIP's published substring matching finds them, in texts and lists of any kind."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.filters.pairs.entry_matching import EntryMatcher, read_entries, spaced
from corpusloom.schemas.errors import InputError


def found_one_by_one(text: str, entries: tuple[str, ...]) -> tuple[str, ...]:
    """Return the entries that a text has by the definition: a search for each."""
    for mark in (",", ".", ";", ":", "?", "!", "`"):
        text = text.replace(mark, f" {mark} ")
    text = f" {text} "
    for blank in ("\t", "\r", "\n"):
        text = text.replace(blank, " ")
    return tuple(entry for entry in entries if f" {entry} " in text)


TEXTS = st.text(alphabet="ab .,!`\té", max_size=30)
ENTRIES = st.lists(st.text(alphabet="abé .", min_size=1, max_size=4), min_size=1, max_size=12, unique=True)


@given(TEXTS, ENTRIES)
def test_matches_equal_a_search_for_each_entry(text: str, entries: list[str]) -> None:
    assert EntryMatcher(tuple(entries)).find(text) == found_one_by_one(text, tuple(entries))


def test_matches_of_many_entries_equal_a_search_for_each_entry() -> None:
    rng = random.Random(0)
    words = ["".join(rng.choice("abcde") for _ in range(rng.randint(1, 4))) for _ in range(300)]
    entries = tuple(dict.fromkeys([*words, *(f"{rng.choice(words)} {rng.choice(words)}" for _ in range(2_000))]))
    matcher = EntryMatcher(entries)
    for _ in range(50):
        text = " ".join(rng.choice(words) for _ in range(15))
        assert matcher.find(text) == found_one_by_one(text, entries) != ()


def test_whole_words_match_in_their_case_and_entries_inside_others_too() -> None:
    matcher = EntryMatcher(("New York", "York", "new", "Yorkshire", "a"))
    assert matcher.find("New York, a city") == ("New York", "York", "a")
    assert matcher.find("newer Yorkshires") == ()


def test_punctuation_is_separated_by_blanks() -> None:
    assert spaced("a,b.c") == " a , b . c "
    assert spaced("a\tb") == " a b "


def test_lists_are_read_from_json_or_from_lines_and_repeats_count_once(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('["b", "a", "b", "é"]', "utf-8")
    (tmp_path / "a.txt").write_text("b\na\nb\né\n", "utf-8")
    assert read_entries(str(tmp_path / "a.json")) == read_entries(str(tmp_path / "a.txt")) == ("b", "a", "é")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"a": 1}', "is not a JSON list"),
        ("a.json", "[1]", "has an empty entry|is no text"),
        ("a.json", "[]", "has no entries"),
        ("a.txt", "", "has no entries"),
        ("a.txt", "a\n\nb\n", "has an empty entry"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_by_name(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message) as found:
        read_entries(str(path))
    assert str(path) in str(found.value)
