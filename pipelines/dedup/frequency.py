"""Paragraphs that occur too often in one domain (OBELICS, arXiv 2306.16527, App. A.1)."""

from corpusloom.pipelines.dedup.exact import paragraph_key
from corpusloom.schemas.identity import host_of, registered_domain
from corpusloom.schemas.records import Block, Page

VERSION = 1
COUNTED_KINDS = ("paragraph", "list", "table", "quote", "other")
"""Kinds of block that the rule counts; headings, captions and code are expected to repeat."""


def page_domain(page: Page) -> str:
    """Return the registrable domain of a page."""
    return registered_domain(host_of(page.canonical_url or page.url))


def paragraph_keys(page: Page) -> list[str]:
    """Return one key per block that the rule counts, repeats within the page included."""
    domain = page_domain(page)
    return [paragraph_key(domain, block.text) for block in page.blocks if _is_counted(block) and block.text]


def _is_counted(block: Block) -> bool:
    return bool(block.text) and block.kind in COUNTED_KINDS


def drop_paragraphs(page: Page, frequent: frozenset[str]) -> tuple[Block, ...]:
    """Return the blocks of a page without its frequent paragraphs, whose keys `frequent` holds."""
    domain = page_domain(page)
    return tuple(
        block
        for block in page.blocks
        if not (_is_counted(block) and paragraph_key(domain, block.text or "") in frequent)
    )
