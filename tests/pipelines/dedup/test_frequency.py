"""Frequent image URLs and frequent paragraphs of one domain."""

import pytest

from corpusloom.pipelines.dedup.frequency import count, drop_paragraphs, image_url_keys, paragraph_keys, too_frequent
from corpusloom.schemas.records import Block, ImageRef, Page


def page(url: str, *blocks: Block) -> Page:
    return Page(key=url, url=url, canonical_url=url, fetched_at="", blocks=blocks)


def paragraph(text: str) -> Block:
    return Block(kind="paragraph", text=text)


def test_more_than_ten_occurrences_are_too_many() -> None:
    logo = Block(kind="image", image=ImageRef(url="https://www.a.org/logo.png"))
    twin = Block(kind="image", image=ImageRef(url="http://a.org/logo.png"))
    pages = [page(f"http://a.org/{number}", logo, twin) for number in range(5)]
    counts = count(key for found in pages for key in image_url_keys(found))
    assert list(counts.values()) == [10]
    assert too_frequent(counts, 10) == frozenset()
    counts += count(image_url_keys(page("http://a.org/x", logo)))
    assert too_frequent(counts, 10) == set(counts)


def test_every_copy_of_a_frequent_paragraph_goes_in_its_domain_only() -> None:
    same = paragraph("All our prices are without tax.")
    pages = [page(f"http://shop.a.org/{n}", same, paragraph(f"Text {chr(97 + n)}")) for n in range(3)]
    other = page("http://b.org/", same)
    counts = count(key for found in [*pages, other] for key in paragraph_keys(found))
    frequent = too_frequent(counts, 2)
    assert [drop_paragraphs(found, frequent)[1] for found in pages] == [1, 1, 1]
    assert drop_paragraphs(pages[0], frequent)[0] == pages[0].blocks[1:]
    assert drop_paragraphs(other, frequent) == (other.blocks, 0)


@pytest.mark.parametrize("kind", ["heading", "caption", "code"])
def test_headings_captions_and_code_do_not_count(kind: str) -> None:
    assert paragraph_keys(page("http://a.org/", Block(kind=kind, text="Same"))) == []


def test_counts_of_parts_add_up_in_any_order() -> None:
    keys = ["a", "b", "a", "c"]
    assert count(keys[:2]) + count(keys[2:]) == count(reversed(keys))
