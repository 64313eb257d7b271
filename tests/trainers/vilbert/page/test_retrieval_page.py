"""The page's HTML: texts are escaped, every image has a text, and odd samples are shown as what they are."""

import re
from typing import Any

import pytest

from corpusloom.trainers.vilbert.page.retrieval_page import render_retrieval
from tests.trainers.vilbert.page.pools import FIGURES, ONE, page_model, pool


def render(**changes: Any) -> str:
    return render_retrieval(page_model(**changes), pool(), FIGURES, "<b>regions", "runs/vilbert")


def test_texts_are_escaped_and_bidi_controls_are_visible() -> None:
    html = render()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; red disc" in html
    assert "\u202e" not in html
    assert "\\u202eder\\u202c" in html
    assert "&lt;b&gt;regions" in html


def test_figures_retrievals_and_odd_samples_are_told() -> None:
    html = render()
    assert re.search(r"<b>50\.0 %</b><span>R@1</span><span>95 % interval 20\.0 % to 80\.0 %</span>", html)
    assert html.count("own image: rank 1 of 6") == 3
    assert html.count("own image: rank 2 of 6") == 2
    assert html.count("own image: rank 6 of 6") == 1
    assert html.count("This image has no regions") == 1
    assert "92 further regions of the dataset are not given to the model" in html
    assert html.count('<rect class="blank"') == 1
    assert html.count("Each word masked alone") == 6


def test_the_page_says_how_many_streams_the_model_has() -> None:
    assert "runs/vilbert, two streams" in render()
    assert "runs/vilbert, one stream" in render(**ONE)


@pytest.mark.parametrize(("changes", "layers"), [({}, 2), (ONE, 4)], ids=["two streams", "one stream"])
def test_each_layer_in_which_words_and_regions_meet_can_be_chosen(changes: dict[str, int], layers: int) -> None:
    html = render(**changes)
    assert [f'id="layer-{number}"' in html for number in range(layers + 2)] == [True] * (layers + 1) + [False]


def test_a_model_without_connections_has_a_page_without_weights() -> None:
    html = render(v_connections=(), t_connections=())
    assert "all layers" in html
    assert "--w1-0:" not in html
