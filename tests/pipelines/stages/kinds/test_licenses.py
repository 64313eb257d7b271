"""A recipe that lists licences takes only pages that state one of them, and only pairs of such pages."""

from collections.abc import Callable
from typing import Any

import pytest

from corpusloom.pipelines.extract.alt_texts import extract_images
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.kinds.pages import make_page
from corpusloom.pipelines.stages.kinds.pairs import make_pairs
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.warc.responses import HtmlResponse
from corpusloom.schemas.records import Page, Pair
from corpusloom.schemas.verdicts import Rejected

BY = "https://creativecommons.org/licenses/by/4.0/"
MAKERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "m3w": (extract, make_page),
    "align": (extract_images, make_pairs),
}


def made(name: str, licenses: str, *, head: str = "", header: str | None = None) -> Any:
    """Return what a recipe makes of a page with an image: the first record, or why there is none."""
    body = f"<head>{head}</head><p>A text of some words that is long enough.<img src='/a.jpg' alt='a small red boat'>"
    headers = () if header is None else (("Link", header),)
    page = HtmlResponse(
        url="http://a.example/",
        record_id="1",
        offset=0,
        fetched_at="2026-01-02T03:04:05Z",
        status=200,
        headers=headers,
        content_type="text/html",
        body=body.encode(),
    )
    parse, make = MAKERS[name]
    found = make(
        page, parse(page.body, page.url), load_recipe(name, [f"honour.licenses={licenses}"]), Ledger("extract")
    )
    return found if isinstance(found, Rejected) else found[0][0]


@pytest.mark.parametrize("name", MAKERS)
def test_a_record_keeps_the_licence_of_its_page(name: str) -> None:
    record = made(name, "[]", head=f'<link rel="license" href="{BY}">')
    assert isinstance(record, Page | Pair)
    assert record.license == "CC-BY-4.0"
    assert made(name, "[]").license is None
    assert made(name, '["CC-BY-4.0"]', header=f'<{BY}>; rel="license"').license == "CC-BY-4.0"


@pytest.mark.parametrize("name", MAKERS)
def test_a_page_without_a_listed_licence_is_rejected(name: str) -> None:
    link = f'<link rel="license" href="{BY}">'
    assert made(name, '["CC0-1.0"]', head=link) == Rejected("license_not_listed")
    assert made(name, '["CC0-1.0"]') == Rejected("license_unknown")
    assert made(name, '["CC0-1.0", "CC-BY-4.0"]', head=link).license == "CC-BY-4.0"


@pytest.mark.parametrize("name", MAKERS)
def test_an_opt_out_is_named_before_a_licence(name: str) -> None:
    found = made(name, '["CC0-1.0"]', head='<meta name="robots" content="noai">')
    assert found == Rejected("opt_out_noai")
