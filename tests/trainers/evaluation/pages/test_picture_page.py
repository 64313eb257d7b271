"""The page of a classification: figures, classes and pictures; all texts escaped, its size bounded."""

from collections.abc import Sequence

import pytest

from corpusloom.trainers.evaluation.batches import Figures
from corpusloom.trainers.evaluation.pages import picture_page
from corpusloom.trainers.evaluation.pages.picture_page import PicturePage, render, shown_pictures
from corpusloom.trainers.evaluation.predictions import Prediction

PAGE = PicturePage("holiday", "zero-shot", "runs/clip")
VALUES = {"top1": 0.5, "top1_low": 0.2, "top1_high": 0.8, "top1_n": 4, "top1_chance": 0.25, "n": 4, "skipped": 1}


def predictions(count: int, labels: Sequence[str | None]) -> tuple[Prediction, ...]:
    top = (("cat", 0.625), ("dog", 0.25))
    found = []
    for number in range(count):
        label = labels[number % len(labels)]
        found.append(Prediction(f"{number}.jpg", number, label, None if label is None else label == "cat", top))
    return tuple(found)


def figures(found: tuple[Prediction, ...], uri: str = "data:image/jpeg;base64,AAAA") -> Figures:
    asked: dict[int, str] = {}

    def thumbnails(numbers: set[int], side: int) -> dict[int, str]:
        asked.update(dict.fromkeys(numbers, uri))
        return asked

    return Figures(
        VALUES,
        skipped=("9.jpg: not_an_image",),
        notes=("a note",),
        classes=("cat", "dog"),
        predictions=found,
        thumbnails=thumbnails,
    )


def test_a_page_has_figures_classes_and_pictures() -> None:
    html = render(PAGE, figures(predictions(4, ["cat", "dog"])))
    for part in (
        "holiday",
        "runs/clip",
        "50.0 %",
        "20.0 % to 80.0 %",
        "chance 25.0 %",
        "a note",
        "9.jpg: not_an_image",
    ):
        assert part in html
    assert html.count('class="picture is-right"') == html.count('class="picture is-wrong"') == 2
    assert "2 of 2 right" in html
    assert '<a href="#class-1">dog</a>' in html
    assert "All 4 are shown." in html
    assert html.index("<td>0.0 %</td>") < html.index("<td>100.0 %</td>")


def test_a_page_of_pictures_without_labels_has_no_marks_and_no_filter() -> None:
    html = render(PAGE, figures(predictions(4, [None])))
    assert "is-right" not in html.partition("<body>")[2]
    assert 'type="radio"' not in html
    assert html.count('class="picture"') == 4


def test_hostile_names_are_escaped() -> None:
    name = '"><script>alert(1)</script>\u202e\ud800\x1b'
    found = (Prediction(name, 0, name, False, ((name, 1.0),)),)
    page = PicturePage(name, "zero-shot", name)
    html = render(page, Figures(VALUES, (name,), 0, (name,), (name, "dog"), found, lambda numbers, side: {}))
    html.encode()
    assert "<script" not in html
    assert "\u202e" not in html
    assert "\\u202e\\ud800\\x1b" in html


@pytest.mark.parametrize(("most_bytes", "shown"), [(8_000_000, 10), (100, 3)])
def test_a_page_shows_pictures_from_everywhere_within_a_bound(
    monkeypatch: pytest.MonkeyPatch, most_bytes: int, shown: int
) -> None:
    monkeypatch.setattr(picture_page, "MOST_PICTURES", 10)
    monkeypatch.setattr(picture_page, "MOST_BYTES", most_bytes)
    found = figures(predictions(91, [None]), "x" * 30)
    assert [item.number for item, _ in shown_pictures(found)] == list(range(0, 91, 10))[:shown]
    assert f"{shown} of 91 are shown." in render(PAGE, found)
