"""The page of a search shows each query with its images, safely and within bounds."""

import pytest

from corpusloom.trainers.embedding import search_page
from corpusloom.trainers.embedding.hits import SearchHit
from corpusloom.trainers.embedding.search_page import SearchGroup, render_search
from tests.trainers.datasets import coloured_pairs

IMAGE = coloured_pairs(1)[0].image


def found(rank: int, image: bytes = IMAGE) -> tuple[SearchHit, bytes]:
    """Return an image with a hostile caption."""
    place = {"key": f"k{rank}", "field": "jpg", "shard": 0, "row": rank, "sha256": "s"}
    return SearchHit(rank=rank, score=0.25, url="http://u:p@x/?sig=1", caption="<script>\u202e", **place), image


def test_queries_are_shown_with_their_images_and_texts_are_escaped() -> None:
    groups = [
        SearchGroup(query="a <b>star", image=None, hits=[found(1), found(2, b"no image")]),
        SearchGroup(query="own.jpg", image=IMAGE, hits=[]),
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
    groups = [SearchGroup(query="q", image=None, hits=[found(rank) for rank in range(50)])]
    html = render_search("data", "", groups)
    assert 0 < html.count("data:image/jpeg") < 5
    assert html.count('class="picture"') == 50
