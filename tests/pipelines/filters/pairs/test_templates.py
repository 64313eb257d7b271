"""Captions that are templates, names of files, URLs and sizes, alone or beside words of a caption."""

import time

import pytest

from corpusloom.pipelines.filters.pairs.templates import (
    TemplatesConfig,
    measure_templates,
    normal_form,
    phrases,
    rules,
)
from corpusloom.schemas.verdicts import Below, Kept, Rejected, decide


@pytest.mark.parametrize(
    "text",
    [
        "image 1 of 5",
        "Image 12 of 50",
        "IMG_1234.JPG",
        "IMG_20240101_123456",
        "DSC_0012 (1)",
        "Click to enlarge!",
        "UNTITLED",
        "1200x800",
        "1,200 × 800 px",
        "https://example.org/a(1).png?x=1",
        "me@example.org",
        "red-boat-small.webp",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "Photo of the day | image 1/5 - click to enlarge",
        "Bild 3 von 10: zum Vergrößern klicken",
        "Cliquez sur l’image pour l’agrandir",
        "图片12",
        "画像をクリックすると拡大します",
        "चित्र 3",
        "(7)",
    ],
)
def test_a_template_is_template_as_a_whole(text: str) -> None:
    assert measure_templates(text) == {"template_share": 1.0}


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("a cat on a mat", 0.0),
        ("the image of a boat, untitled", 1 / 6),
        ("A cat - click to enlarge", 3 / 5),
        ("a red boat IMG_1.jpg", 1 / 4),
        ("Photo 1 shows a cat", 0.0),
        ("an e.g. and a 3.5 in one", 0.0),
        ("Nr. 1234567890123", 1 / 2),
        ("picturesque", 0.0),
    ],
)
def test_the_share_is_that_of_words(text: str, share: float) -> None:
    assert measure_templates(text) == {"template_share": round(share, 4)}


@pytest.mark.parametrize("text", ["", "| -", "\U0001f600"])
def test_a_text_without_words_has_no_score(text: str) -> None:
    assert measure_templates(text) == {}


def test_every_template_of_the_list_is_found_with_other_numbers() -> None:
    found, longest = phrases()
    assert len(found) > 500
    assert longest == max(len(phrase.split()) for phrase in found)
    assert all(normal_form(phrase.replace("#", "(2024-07)")) in found for phrase in found)


@pytest.mark.parametrize(
    ("bound", "text", "verdict"),
    [
        (Below(below=1.0), "untitled", Rejected("template_caption", 1.0, 1.0)),
        (Below(below=1.0), "A cat - click to enlarge", Kept()),
        (0.5, "A cat - click to enlarge", Rejected("template_caption", 0.6, 0.5)),
        (0.6, "A cat - click to enlarge", Kept()),
        (0.0, "\U0001f600", Kept()),
    ],
)
def test_a_text_with_too_many_words_in_templates_is_rejected(bound: float | Below, text: str, verdict: object) -> None:
    assert decide(measure_templates(text), rules(TemplatesConfig(max_template_share=bound))) == verdict


@pytest.mark.parametrize("part", ["a", "a.", "@", "1-", ". ", "| ", " - ", "www.", ".jpg", "a@b."])
def test_hostile_text_takes_linear_time(part: str) -> None:
    started = time.process_time()
    measure_templates(part * (100_000 // len(part)))
    assert time.process_time() - started < 2, "a quadratic pattern takes minutes"
