"""Features of the block classifier: shapes, ranges, and the meaning of a few of them."""

from pathlib import Path

import numpy as np
import pytest

from corpusloom.pipelines.extract.content import assembly, features
from corpusloom.pipelines.extract.reading import source
from corpusloom.pipelines.extract.reading.fast_walk.walk import fast_walk
from corpusloom.pipelines.extract.reading.types import ExtractConfig, RawPage, TextRun

PAGES = sorted((Path(__file__).parents[1] / "pages").glob("*.html"))
CONFIG = ExtractConfig()


def read(html: bytes) -> tuple[RawPage, list[TextRun]]:
    prepared, _charset, _cut = source.prepare(html, None, CONFIG)
    page = fast_walk(prepared, "https://site.example/", CONFIG)
    return page, assembly.join_rows(page)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_features_are_finite_and_spans_hold_their_candidate(path: Path) -> None:
    page, runs = read(path.read_bytes())
    found = features.features_of(page, runs)
    assert found.numbers.dtype == np.float32
    assert found.spans.shape == (len(runs), features.POOLED, 2)
    assert np.isfinite(found.numbers).all()
    places = np.arange(len(runs))[:, None]
    assert ((found.spans[..., 0] <= places) & (places < found.spans[..., 1])).all()


def test_every_page_has_the_same_columns() -> None:
    widths = {features.features_of(*read(html)).numbers.shape[1] for html in (b"<p>one", PAGES[0].read_bytes())}
    assert len(widths) == 1


def test_the_domain_does_not_matter() -> None:
    html = PAGES[0].read_bytes()
    prepared, _charset, _cut = source.prepare(html, None, CONFIG)
    found = [
        features.features_of(page, page.runs).numbers
        for page in (fast_walk(prepared, url, CONFIG) for url in ("https://a.example/x", "http://other.test/y?z=1"))
    ]
    assert (found[0] == found[1]).all()


def test_description_comes_from_meta_and_json_ld() -> None:
    page, _candidates = read(
        b'<meta name=description content="A kite for all."><p>x'
        b'<script type="application/ld+json">{"description": "It flies in every wind and weather."}</script>'
    )
    assert " ".join(features.description(page).split()) == "A kite for all. It flies in every wind and weather."
