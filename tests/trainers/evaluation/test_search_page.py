"""The page of a search shows each query with its images, safely and within bounds."""

import pytest

from corpusloom.trainers.evaluation import search_page
from corpusloom.trainers.evaluation.search_page import SearchCard, SearchGroup, render_search
from tests.trainers.datasets import coloured_pairs

IMAGE = coloured_pairs(1)[0].image


def card(rank: int, image: bytes = IMAGE) -> SearchCard:
    """Return an image with a hostile caption."""
    return SearchCard(
        image=image, rank=rank, score=0.25, key=f"k{rank}", url="http://u:p@x/?sig=1", caption="<script>\u202e"
    )


def test_queries_are_shown_with_their_images_and_texts_are_escaped() -> None:
    groups = [
        SearchGroup(query="a <b>star", image=None, cards=[card(1), card(2, b"no image")]),
        SearchGroup(query="own.jpg", image=IMAGE, cards=[]),
    ]
    html = render_search("data", "12 images", groups)
    assert html.count("data:image/jpeg") == 2
    assert "a &lt;b&gt;star" in html
    assert "<script>" not in html
    assert "&lt;script&gt;\\u202e" in html
    assert "u:p@" not in html
    assert "0.250" in html


def test_a_page_has_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_page, "MOST_BYTES", 3000)
    groups = [SearchGroup(query="q", image=None, cards=[card(rank) for rank in range(50)])]
    html = render_search("data", "", groups)
    assert 0 < html.count("data:image/jpeg") < 5
    assert html.count('class="picture"') == 50
