"""What occurs too often over a corpus: image URLs, and paragraphs of one domain (OBELICS, App. A.1)."""

from collections import Counter
from collections.abc import Iterable, Mapping

from corpusloom.pipelines.dedup.exact import paragraph_key
from corpusloom.schemas.identity import host_of, image_key, registered_domain
from corpusloom.schemas.records import Block, Page

VERSION = 1
COUNTED_KINDS = ("paragraph", "list", "table", "quote", "other")
"""Kinds of block that the paragraph rule counts: headings, captions and code repeat for good reasons."""


def image_url_keys(page: Page) -> list[str]:
    """Return the key of each image occurrence of a page, repeats included: what the frequency rule counts."""
    return [image_key(block.image.url) for block in page.blocks if block.image is not None]


def page_domain(page: Page) -> str:
    """Return the registrable domain of a page."""
    return registered_domain(host_of(page.canonical_url or page.url))


def paragraph_keys(page: Page) -> list[str]:
    """Return the key of each block that the paragraph rule counts; a repeat within the page counts again."""
    domain = page_domain(page)
    return [paragraph_key(domain, block.text) for block in page.blocks if _is_counted(block) and block.text]


def _is_counted(block: Block) -> bool:
    return bool(block.text) and block.kind in COUNTED_KINDS


def count(keys: Iterable[str]) -> Counter[str]:
    """Count keys. Counts of parts add up to the count of the whole, in any order."""
    return Counter(keys)


def too_frequent(counts: Mapping[str, int], maximum: int) -> frozenset[str]:
    """Return the keys with more than `maximum` occurrences (OBELICS: image URLs, 10)."""
    return frozenset(key for key, number in counts.items() if number > maximum)


def drop_paragraphs(page: Page, frequent: frozenset[str]) -> tuple[tuple[Block, ...], int]:
    """Return a page's blocks without its frequent paragraphs, every copy of them, and how many went."""
    domain = page_domain(page)
    kept = tuple(
        block
        for block in page.blocks
        if not (_is_counted(block) and paragraph_key(domain, block.text or "") in frequent)
    )
    return kept, len(page.blocks) - len(kept)
