"""Pages: the canonical URL identifies a page, opt-outs reject it, its head ranks before older, shorter copies."""

from dataclasses import replace

import pytest

from corpusloom.pipelines.extract.reading.types import Extracted
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe
from corpusloom.pipelines.stages.kinds.pages import make_page, page_head, page_identity
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas.records import Block, ImageRef, Page
from corpusloom.schemas.verdicts import Rejected
from tests.pipelines.stages.kinds.pages_of_warcs import response

M3W = load_recipe("m3w")
BLOCKS = (
    Block(kind="paragraph", text="One sentence stands here, and it is long enough to be read."),
    Block(kind="image", image=ImageRef(url="http://example.org/a.jpg")),
)
EXTRACTED = Extracted(title="T", blocks=BLOCKS)


@pytest.mark.parametrize(
    ("link", "identity"),
    [
        (None, "http://www.example.org/a"),
        ("http://example.org/b", "http://example.org/b"),
        ("http://blog.example.org/b", "http://blog.example.org/b"),
        ("http://example.org/", "http://www.example.org/a"),
        ("http://example.org", "http://www.example.org/a"),
        ("http://example.com/b", "http://www.example.org/a"),
    ],
)
def test_a_canonical_link_counts_on_the_same_domain_unless_it_is_the_root(link: str | None, identity: str) -> None:
    assert page_identity("http://www.example.org/a", link) == identity


def test_a_page_keeps_what_was_extracted_and_its_head_names_its_images() -> None:
    made = make_page(response(), EXTRACTED, M3W, Ledger("extract"))
    assert not isinstance(made, Rejected)
    ((page, head),) = made
    assert isinstance(page, Page)
    assert (page.title, page.blocks, page.url) == ("T", BLOCKS, "http://example.org/a")
    assert page.scores["images"] == 1.0
    assert (head.unit, head.key, head.parent, head.images) == (
        "page",
        page.key,
        page.parent,
        ("http://example.org/a.jpg",),
    )
    assert head.scores == page.scores


def test_an_opt_out_of_the_page_rejects_it_and_one_of_images_drops_them() -> None:
    refused = make_page(response(headers=(("X-Robots-Tag", "noai"),)), EXTRACTED, M3W, Ledger("extract"))
    assert isinstance(refused, Rejected)
    assert refused.reason.startswith("opt_out")
    made = make_page(response(headers=(("X-Robots-Tag", "noimageai"),)), EXTRACTED, M3W, Ledger("extract"))
    assert not isinstance(made, Rejected)
    assert [block.image for block in made[0][0].blocks] == [None]  # type: ignore[union-attr]


def head_of(recipe: Recipe = M3W, **changes: object) -> str:
    """Return the rank of a page."""
    page = Page(key="k", url="u", canonical_url="http://e.org/a", fetched_at="2020-05-06T07:08:09Z", blocks=BLOCKS)
    return page_head(replace(page, **changes), recipe).rank  # type: ignore[arg-type]


def test_of_equal_pages_the_latest_ranks_first_then_more_images_then_more_text_then_the_shorter_url() -> None:
    longer = (replace(BLOCKS[0], text=f"{BLOCKS[0].text} More."), BLOCKS[1])
    assert head_of(fetched_at="2021-01-01T00:00:00Z", blocks=()) < head_of()
    assert head_of(blocks=(*BLOCKS, BLOCKS[1])) < head_of(blocks=longer) < head_of()
    assert head_of() < head_of(canonical_url="http://e.org/aa")


def test_a_page_in_one_language_ranks_before_a_larger_one_in_two_and_after_a_later_one() -> None:
    pure, mixed = ({"scores": {"language_share": share}} for share in (1.0, 0.6))
    larger = (*BLOCKS, *BLOCKS)
    assert head_of(**pure) < head_of(**mixed, blocks=larger) < head_of(blocks=larger)
    assert head_of(**mixed, fetched_at="2021-01-01T00:00:00Z") < head_of(**pure)


@pytest.mark.parametrize(
    ("share", "mixture"), [(1.0, "00"), (0.96, "00"), (0.94, "01"), (0.5, "05"), (0.0, "10"), (None, "10")]
)
def test_near_duplicates_are_ordered_by_tenths_of_their_text_in_other_languages(
    share: float | None, mixture: str
) -> None:
    scores = {} if share is None else {"language_share": share}
    page = Page(key="k", url="u", canonical_url="u", fetched_at="2020", blocks=BLOCKS, scores=scores)
    assert page_head(page, M3W).mixture == mixture


def test_texts_are_compared_within_a_month_where_the_recipe_says_so() -> None:
    page = Page(key="k", url="u", canonical_url="u", fetched_at="2020-05-06T07:08:09Z", blocks=BLOCKS)
    by_crawl = replace(M3W, dedup=replace(M3W.dedup, scope="crawl"))
    assert page_head(page, by_crawl).text_key == f"2020-05 {page_head(page, M3W).text_key}"


def test_a_head_has_bands_and_paragraphs_only_where_the_recipe_asks_for_them() -> None:
    page = Page(key="k", url="http://e.org/a", canonical_url="u", fetched_at="2020-05-06", blocks=BLOCKS)
    obelics = load_recipe("obelics")
    assert page_head(page, replace(obelics, dedup=replace(obelics.dedup, max_domain_paragraph=None))).paragraphs == ()
    assert page_head(page, obelics).paragraphs
    assert page_head(page, replace(obelics, dedup=replace(obelics.dedup, minhash=None))).bands == ()
