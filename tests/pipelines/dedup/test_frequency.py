"""Paragraphs that are frequent in one domain."""

import dataclasses
from collections import Counter

import pytest

from corpusloom.pipelines.dedup.frequency import COUNTED_KINDS, drop_paragraphs, page_domain, paragraph_keys
from corpusloom.schemas.records import Block, ImageRef, Page


def page(url: str, *blocks: Block) -> Page:
    return Page(key=url, url=url, canonical_url=url, fetched_at="", blocks=blocks)


def paragraph(text: str) -> Block:
    return Block(kind="paragraph", text=text)


def test_every_copy_of_a_frequent_paragraph_goes_in_its_domain_only() -> None:
    same = paragraph("All our prices are without tax.")
    pages = [page(f"http://shop.a.org/{n}", same, paragraph(f"Text {chr(97 + n)}"), same) for n in range(3)]
    other = page("http://b.org/", same)
    counts = Counter(key for found in [*pages, other] for key in paragraph_keys(found))
    assert sorted(counts.values()) == [1, 1, 1, 1, 6]
    frequent = frozenset(key for key, count in counts.items() if count > 2)
    assert [drop_paragraphs(found, frequent) for found in pages] == [found.blocks[1:2] for found in pages]
    assert drop_paragraphs(other, frequent) == other.blocks
    assert drop_paragraphs(pages[0], frozenset()) == pages[0].blocks


@pytest.mark.parametrize("kind", ["heading", "caption", "code"])
def test_headings_captions_and_code_are_neither_counted_nor_dropped(kind: str) -> None:
    found = page("http://a.org/", Block(kind=kind, text="Same"))
    assert paragraph_keys(found) == []
    assert drop_paragraphs(found, frozenset(paragraph_keys(page("http://a.org/", paragraph("Same"))))) == found.blocks


@pytest.mark.parametrize("kind", COUNTED_KINDS)
def test_the_other_kinds_are_counted_alike(kind: str) -> None:
    found = page("http://a.org/", Block(kind=kind, text="Same"), Block(kind=kind, text=""))
    assert paragraph_keys(found) == paragraph_keys(page("http://a.org/", paragraph("Same")))


def test_images_are_no_paragraphs() -> None:
    found = page("http://a.org/", Block(kind="image", image=ImageRef(url="http://a.org/logo.png")))
    assert (paragraph_keys(found), drop_paragraphs(found, frozenset())) == ([], found.blocks)


def test_a_page_belongs_to_the_domain_of_its_canonical_url() -> None:
    copy = dataclasses.replace(page("http://shop.a.co.uk/x"), url="http://www.mirror.net/x")
    assert page_domain(copy) == "a.co.uk"
    assert page_domain(dataclasses.replace(copy, canonical_url="")) == "mirror.net"
