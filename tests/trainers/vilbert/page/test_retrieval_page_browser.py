"""The page in a real Chromium: no request, no error message, attention by pointer and by keyboard, fits a phone."""

from collections.abc import Iterator

import pytest

from corpusloom.trainers.vilbert.page.retrieval_page import render_retrieval
from tests.chromium import Shown, needs_chromium, shown_in_chromium
from tests.trainers.vilbert.page.pools import FIGURES, SCRIPT, page_model, pool

pytestmark = needs_chromium


def fills(shown: Shown, sample: int) -> list[float]:
    """Return the opacity of each box of a sample, by its number."""
    boxes = shown.page.locator(".sample").nth(sample).locator(".box")
    found = boxes.evaluate_all(
        "boxes => boxes.map(b => [+b.classList[1].slice(1), +getComputedStyle(b.firstElementChild).fillOpacity])"
    )
    return [opacity for _, opacity in sorted(found)]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    path = tmp_path_factory.mktemp("page") / "retrieval.html"
    path.write_text(render_retrieval(page_model(), pool(), FIGURES, "x" * 80, "runs/vilbert"), encoding="utf-8")
    with shown_in_chromium(path) as found:
        yield found


@pytest.mark.parametrize("width", [360, 1200])
def test_a_page_is_self_contained_and_fits(shown: Shown, width: int) -> None:
    shown.page.set_viewport_size({"width": width, "height": 800})
    assert [url for url in shown.requests if not url.startswith("data:")] == [shown.path.as_uri()]
    assert shown.complaints == []
    shown.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    pictures = shown.page.evaluate("[...document.images].map(i => [i.naturalWidth, i.alt])")
    assert len(pictures) > 20
    assert all(natural > 50 and alt for natural, alt in pictures)
    scenes = shown.page.locator("svg.scene")
    assert scenes.count() == 6
    assert all(scene.get_attribute("aria-label") for scene in scenes.all())


def test_a_word_under_the_pointer_colours_the_regions_it_attends_to(shown: Shown) -> None:
    sample = shown.page.locator(".sample").nth(0)
    shown.page.mouse.move(0, 0)
    assert set(fills(shown, 0)) == {0.0}
    sample.locator(".t2").hover()
    coloured = fills(shown, 0)
    assert max(coloured[1:]) > 0.1
    sample.locator(".t3").hover()
    assert fills(shown, 0) != coloured
    assert set(fills(shown, 3)) == {0.0}, "other samples stay as they are"
    shown.page.mouse.move(0, 0)
    assert set(fills(shown, 0)) == {0.0}


def test_the_keyboard_chooses_words_and_regions_and_the_layer_changes_the_weights(shown: Shown) -> None:
    sample = shown.page.locator(".sample").nth(0)
    shown.page.mouse.move(0, 0)
    sample.locator(".chip input").first.focus()
    for _ in range(2):
        shown.page.keyboard.press("ArrowRight")
    assert sample.locator(".t1 input").is_checked()
    mean = fills(shown, 0)
    assert max(mean[1:]) > 0.1
    shown.page.locator("#layer-2").check()
    assert fills(shown, 0) != mean
    shown.page.locator("#layer-0").check()
    assert fills(shown, 0) == mean
    sample.locator(".r1 input").check()
    shown.page.mouse.move(0, 0)
    colours = sample.locator(".word").evaluate_all("words => words.map(w => getComputedStyle(w).backgroundColor)")
    assert len(set(colours)) > 1, "the words have the weights that region 1 gives them"
    sample.locator(".chip input").first.check()


def test_a_caption_is_a_text_and_no_markup(shown: Shown) -> None:
    assert shown.page.locator("script").count() == 0
    assert shown.page.locator(".sample h3").nth(1).text_content() == SCRIPT
    assert shown.page.locator("h1").inner_text() == "x" * 80


def test_a_sample_without_regions_shows_img_alone(shown: Shown) -> None:
    assert shown.page.locator(".sample").nth(1).locator(".region").count() == 1
    assert shown.page.locator(".sample").nth(2).locator(".region").count() == 9


def test_the_right_image_is_marked_in_each_retrieval(shown: Shown) -> None:
    rankings = shown.page.locator(".ranking")
    assert rankings.count() == 6
    assert all(ranking.locator(".hit.own").count() == 1 for ranking in rankings.all())
    last = shown.page.locator(".ranking.is-wrong").last
    assert last.locator(".hit").count() == 6, "five images, and its own at rank 6"
