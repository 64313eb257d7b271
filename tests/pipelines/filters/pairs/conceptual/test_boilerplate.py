"""Phrases at the edges of a caption are cut, or reject it."""

import time

import pytest

from corpusloom.pipelines.filters.pairs.conceptual.boilerplate import Phrases, bundled_lines, parse_phrases
from corpusloom.schemas.errors import InputError

LINES = """
# a comment
cut start Click to   enlarge
cut start click
cut end stock photo
cut end photo
reject start profile photo
reject end logo
reject whole image
""".splitlines()
PHRASES = parse_phrases(LINES, "list")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("A dog (brown) on a mat - Stock Photo", "A dog (brown) on a mat"),
        ("A dog on a mat. Stock photo.", "A dog on a mat."),
        ("CLICK TO ENLARGE: A dog", "A dog"),
        ("[Click to enlarge] A dog | stock photo", "A dog"),
        ("click click A dog", "A dog"),
        ("Clicker of a dog", "Clicker of a dog"),
        ("A dog of a livestock photo", "A dog of a livestock"),
        ("A dog, or a stock photo of one", "A dog, or a stock photo of one"),
        ("stock photo", "stock photo"),
        ("Click!", "Click!"),
        ("...", "..."),
        ("", ""),
        ("A dog.", "A dog."),
    ],
)
def test_known_edges_are_cut_with_the_marks_beside_them(text: str, kept: str) -> None:
    assert PHRASES.cut(text) == kept


@pytest.mark.parametrize(
    ("text", "rejected"),
    [
        ("Profile photo of Jane", True),
        ("(profile photo)", True),
        ("Profile photograph", False),
        ("The company's logo.", True),
        ("logo of a company", False),
        ("Image", True),
        ("an image", False),
        ("image of a dog", False),
        ("", False),
    ],
)
def test_known_texts_are_rejected(text: str, rejected: bool) -> None:
    assert PHRASES.rejects(text) is rejected


@pytest.mark.parametrize("line", ["cut whole image", "drop end image", "cut end", "cut middle x", "image"])
def test_a_line_of_another_form_is_refused_with_its_place(line: str) -> None:
    with pytest.raises(InputError, match=r"mine\.txt.*line 2 is .*write cut or reject"):
        parse_phrases(["# ours", line], "mine.txt")


def test_the_list_that_ships_has_the_papers_examples() -> None:
    phrases = parse_phrases(bundled_lines(), "bundled")
    assert phrases.cut("A dog - click to enlarge picture") == "A dog"
    assert phrases.cut("A dog, stock photo") == "A dog"
    assert phrases.rejects("Profile photo for Jane")
    assert not phrases.rejects("A dog on a mat")


def test_without_phrases_nothing_changes() -> None:
    assert Phrases(()).cut(" A dog") == " A dog"
    assert not Phrases(()).rejects("image")


@pytest.mark.parametrize("piece", ["-", "a ", "click ", " | stock photo", "[", "image "])
def test_hostile_texts_take_time_in_proportion(piece: str) -> None:
    start = time.process_time()
    PHRASES.cut(piece * (20_000 // len(piece)))
    PHRASES.rejects(piece * (20_000 // len(piece)))
    assert time.process_time() - start < 2.0
