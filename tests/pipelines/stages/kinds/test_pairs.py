"""Each image and alt text of a page is a pair, counted once; an opt-out of page or images reserves them all."""

from pathlib import Path

import pytest

from corpusloom.pipelines.extract.alt_texts import PageImages
from corpusloom.pipelines.extract.caption_cleaning import CleanCaption
from corpusloom.pipelines.filters.pairs.entries import entry_keys
from corpusloom.pipelines.recipes.recipe import Candidates, load_recipe
from corpusloom.pipelines.stages.kinds.pairs import make_pair, make_pairs, remake_pair, texts_of
from corpusloom.pipelines.stages.kinds.record_kind import record_key
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas import identity
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.records import ImageRef, Pair
from corpusloom.schemas.verdicts import Rejected
from tests.pipelines.stages.kinds.pages_of_warcs import response

ALIGN = load_recipe("align")
CAT = ImageRef(url="http://example.org/cat.jpg", alt_text="A  cat\non a mat")


def test_a_pair_has_its_text_in_one_line_and_its_page_as_parent() -> None:
    made = make_pairs(response(), PageImages(images=(CAT,)), ALIGN, Ledger("extract"))
    assert not isinstance(made, Rejected)
    ((pair, head),) = made
    assert isinstance(pair, Pair)
    assert (pair.text, pair.text_source, pair.image_url) == ("A cat on a mat", "alt_text", CAT.url)
    assert (pair.parent, pair.page_url) == (record_key(response()), "http://example.org/a")
    assert (head.unit, head.key, head.images, head.url) == ("pair", pair.key, (CAT.url,), CAT.url)
    assert head.image_key == identity.image_key(CAT.url)
    assert head.scores == pair.scores


def test_blank_texts_make_no_pair_and_twins_on_a_page_make_one() -> None:
    blank = ImageRef(url="http://example.org/dot.gif", alt_text=" \n")
    none = ImageRef(url="http://example.org/b.gif")
    made = make_pairs(response(), PageImages(images=(CAT, blank, CAT, none)), ALIGN, Ledger("extract"))
    assert not isinstance(made, Rejected)
    assert [pair.image_url for pair, _ in made] == [CAT.url]  # type: ignore[union-attr]


def test_an_opt_out_of_the_page_or_of_its_images_rejects_every_pair() -> None:
    for tag in ("noai", "noimageai"):
        refused = make_pairs(
            response(headers=(("X-Robots-Tag", tag),)), PageImages(images=(CAT,)), ALIGN, Ledger("extract")
        )
        assert isinstance(refused, Rejected)
        assert refused.reason.startswith("opt_out")


def test_texts_come_in_the_order_of_their_sources() -> None:
    image = ImageRef(url="u", alt_text="alt", caption="caption", title=" ", image_title="given")
    page = PageImages(images=(image,), title="page", surroundings={"u": "around", "v": "elsewhere"})
    sources = ("page_title", "caption", "title", "surrounding", "image_title", "alt_text")
    found = texts_of(image, page, Candidates(texts=sources))
    assert [(source, cleaned.text) for source, cleaned in found] == [
        ("page_title", "page"),
        ("caption", "caption"),
        ("surrounding", "around"),
        ("image_title", "given"),
        ("alt_text", "alt"),
    ]
    bare = PageImages(images=(image,))
    assert texts_of(image, bare, Candidates(texts=("page_title", "title", "surrounding"))) == []
    assert texts_of(image, bare, Candidates(texts=("title",), need_text=False)) == [("", CleanCaption(""))]
    nothing = texts_of(ImageRef(url="u", title="<b></b>"), bare, Candidates(texts=("title",), need_text=False))
    assert [(source, cleaned.reason) for source, cleaned in nothing] == [("title", "caption_without_text"), ("", None)]


def test_each_text_that_the_recipe_names_is_a_pair_and_of_equal_texts_the_first_counts() -> None:
    image = ImageRef(url="u", alt_text="A cat", caption="A black cat", title="A cat")
    recipe = load_recipe("align", ['candidates.texts=["title", "caption", "alt_text", "page_title"]'])
    made = make_pairs(response(), PageImages(images=(image,), title="Cats"), recipe, Ledger("extract"))
    assert not isinstance(made, Rejected)
    assert [(pair.text_source, pair.text) for pair, _ in made] == [  # type: ignore[union-attr]
        ("title", "A cat"),
        ("caption", "A black cat"),
        ("page_title", "Cats"),
    ]


@pytest.mark.parametrize("texts", ["[]", '["alt"]'])
def test_a_text_that_no_image_has_is_refused(texts: str) -> None:
    with pytest.raises(ConfigError, match=r"candidates\.texts names .*known: alt_text"):
        load_recipe("align", [f"candidates.texts={texts}"])


def test_a_head_has_the_entries_of_its_text_if_the_recipe_balances_them(tmp_path: Path) -> None:
    metadata = tmp_path / "entries.txt"
    metadata.write_text("cat\ncats\nA cat\n")
    for balance, expected in (("off", ()), ("5", entry_keys(("cat", "A cat"), ""))):
        keys = (f"filters.entries.metadata={metadata}", f"filters.entries.max_pairs={balance}")
        pair, head = make_pair("u", CleanCaption("A cat, sitting"), "alt_text", "p", "", load_recipe("wit", keys))
        assert head.entries == expected
        assert pair.scores["entries"] == 2


def test_entries_of_each_language_are_lists_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("the\n")
    (tmp_path / "de.txt").write_text("die\nthe\n")
    keys = (f"filters.entries.metadata={tmp_path}/{{language}}.txt", 'filters.language.languages=["en", "de"]')
    recipe = load_recipe("wit", keys)
    texts = ("the quick brown fox jumps over the lazy dog", "die Katze sitzt auf der Matte und schaut aus dem Fenster")
    heads = [make_pair("u", CleanCaption(text), "alt_text", "p", "", recipe)[1] for text in texts]
    assert [head.entries for head in heads] == [entry_keys(("the",), "en"), entry_keys(("die",), "de")]
    french = "le chat est assis sur le tapis et regarde par la fenêtre"
    assert make_pair("u", CleanCaption(french), "alt_text", "p", "", recipe)[0].scores["entries"] == 0


def test_a_text_is_cleaned_and_what_was_removed_is_noted() -> None:
    images = (ImageRef(url="u", alt_text="Tom &amp;amp; <b>Jerry</b>\x00"), ImageRef(url="v", alt_text="<br/>"))
    ledger = Ledger("extract")
    made = make_pairs(response(), PageImages(images=images), ALIGN, ledger)
    assert not isinstance(made, Rejected)
    ((pair, _),) = made
    assert isinstance(pair, Pair)
    assert pair.text == "Tom & Jerry"
    assert pair.cleaned == ("control_characters", "html_entities", "html_tags")
    assert pair.key == identity.pair_key("u", "Tom & Jerry")
    (lost,) = ledger.rows
    assert (lost.unit, lost.url, lost.parent, lost.reason) == ("pair", "v", pair.parent, "caption_without_text")


def test_equal_pairs_of_two_pages_share_a_key_and_rank_by_their_page() -> None:
    first, second = (make_pair(CAT.url, CleanCaption("A cat"), "alt_text", page, page, ALIGN)[1] for page in ("p", "q"))
    assert (first.key, first.text_key) == (second.key, second.text_key)
    assert first.rank == identity.make_key("rank", "p") != second.rank


def test_a_head_has_the_tokens_of_its_text_if_the_recipe_counts_them() -> None:
    cleaned = CleanCaption("A cat")
    for key, expected in (("off", 0), ("5", 3)):
        recipe = load_recipe("align", [f"filters.captions.most_frequent_tokens={key}"])
        _, head = make_pair("u", cleaned, "alt_text", "p", "", recipe)
        assert len(head.tokens) == expected


def test_texts_that_differ_in_case_alone_have_one_key_if_case_is_folded() -> None:
    for folded, keys in (("true", 1), ("false", 2)):
        recipe = load_recipe("align", [f"filters.captions.fold_case={folded}"])
        heads = [make_pair("u", CleanCaption(text), "alt_text", "p", "", recipe)[1] for text in ("A Cat", "a cat")]
        assert len({head.text_key for head in heads}) == keys
        assert len({head.key for head in heads}) == 2


@pytest.mark.parametrize(("mode", "expected"), [("content", None), ("page", "da")])
def test_a_short_text_is_judged_with_the_language_of_its_page_if_the_recipe_says_so(
    mode: str, expected: str | None
) -> None:
    page = PageImages(
        images=(ImageRef(url="u", alt_text="Gul cirkel"),),
        sample="Museet er åbent hver dag og viser malerier fra forrige århundrede til alle, der gerne vil se dem.",
    )
    recipe = load_recipe("align", [f"filters.language.short_texts={mode}"])
    made = make_pairs(response(), page, recipe, Ledger("extract"))
    assert not isinstance(made, Rejected)
    ((pair, _),) = made
    assert isinstance(pair, Pair)
    assert pair.page_language == expected
    again, _ = remake_pair(pair, recipe)
    assert again == pair
    assert (pair.language == "da") == (mode == "page")
