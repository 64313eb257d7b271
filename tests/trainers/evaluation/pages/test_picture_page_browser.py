"""The page of a classification in a real Chromium: no request, no error message, a filter, fits a narrow screen."""

from collections.abc import Iterator

import pytest

from corpusloom.schemas.images.thumbnails import thumbnail
from corpusloom.trainers.evaluation.batches import Figures
from corpusloom.trainers.evaluation.pages.picture_page import PicturePage, write_page
from corpusloom.trainers.evaluation.predictions import Prediction
from tests.chromium import Shown, needs_chromium, shown_in_chromium
from tests.trainers.datasets import coloured_pairs

pytestmark = needs_chromium
NAMES = ("a very long name of a class that does not end soon", "<b>bold</b>", "dog")
FIGURES = {
    "top1": 0.5, "top1_low": 0.2, "top1_high": 0.8, "top1_n": 12, "top1_chance": 1 / 3, "n": 12, "skipped": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    path = tmp_path_factory.mktemp("page") / "zero-shot.html"
    uris = {number: thumbnail(pair.image, 128) or "" for number, pair in enumerate(coloured_pairs(12))}
    found = tuple(
        Prediction(f"{'x' * 60}/{number}.jpg", number, NAMES[number % 3], number % 4 == 0, ((NAMES[number % 3], 0.6),))
        for number in range(12)
    )
    figures = Figures(
        FIGURES,
        skipped=("x.jpg: not_an_image",),
        classes=NAMES,
        predictions=found,
        thumbnails=lambda numbers, side: uris,
    )
    write_page(str(path), PicturePage("pictures", "zero-shot", "runs/clip"), figures)
    with shown_in_chromium(path) as found:
        yield found


@pytest.mark.parametrize("width", [360, 1200])
def test_a_page_is_self_contained_and_fits(shown: Shown, width: int) -> None:
    shown.page.set_viewport_size({"width": width, "height": 800})
    assert [url for url in shown.requests if not url.startswith("data:")] == [shown.path.as_uri()]
    assert shown.complaints == []
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    pictures = shown.page.evaluate("[...document.images].map(i => [i.naturalWidth, i.clientWidth])")
    assert len(pictures) == 12
    assert all(natural > 50 and wide > 50 for natural, wide in pictures)


def test_the_filter_shows_right_or_wrong_pictures_alone(shown: Shown) -> None:
    for choice, count in (("right", 3), ("wrong", 9), ("all", 12)):
        shown.page.locator(f"label[for={choice}]").click()
        assert shown.page.locator(".picture:visible").count() == count


def test_the_table_of_classes_opens_and_names_are_texts(shown: Shown) -> None:
    table = shown.page.locator("table")
    assert table.is_hidden()
    shown.page.locator("summary").first.click()
    assert table.is_visible()
    assert shown.page.locator("table b").count() == 0
    assert "<b>bold</b>" in table.inner_text()
    shown.page.locator("summary").first.click()
