"""A recipe's filters together: order of reasons, everything measured, re-deciding from scores alone."""

import dataclasses
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.filters.boilerplate import DroppedBlock
from corpusloom.pipelines.filters.text.text_filter import WordLists
from corpusloom.pipelines.recipes.deciding import image_count_rules, image_rules, page_rules, pair_rules
from corpusloom.pipelines.recipes.measuring import (
    drop_blocks,
    edit_blocks,
    measure_image,
    measure_page,
    measure_pair,
    page_text,
    read_by,
)
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.recipes.word_lists import load_word_lists
from corpusloom.schemas.records import Block, ImageRef, Page, Pair
from corpusloom.schemas.verdicts import Kept, Rejected, decide

M3W = load_recipe("m3w")
OBELICS = load_recipe("obelics")
MMC4 = load_recipe("mmc4")
ALIGN = load_recipe("align")
COMMON = """the of and to in is that for it as was with be by on not he his but at are this have from or had they
which one you were her all she there would their we him been has when who will more no if out so said what up its about
into than them can only other new some could time these two may then do first any now such like our over man me even
most made after also did many before must through back years where much your way well down should because each just
those people how too little state good very make world still own see men work long get here between both life"""


def sentences(count: int) -> str:
    choose, words = random.Random(7).choice, COMMON.split()
    lines = [" ".join(choose(words) + choose(["", "", "s", "er"]) for _ in range(13)) for _ in range(count)]
    return " ".join(f"{line.capitalize()}, {number * 37}." for number, line in enumerate(lines))


def page(*texts: str, images: int = 1, **changes: object) -> Page:
    blocks = tuple(Block(kind="paragraph", text=text) for text in texts)
    blocks += tuple(Block(kind="image", image=ImageRef(url=f"http://a/{n}.jpg")) for n in range(images))
    values = {"key": "k", "url": "http://a/", "canonical_url": "http://a/", "fetched_at": "", "blocks": blocks}
    return Page(**{**values, **changes})  # type: ignore[arg-type]


def reason(found: Page, recipe: object = M3W) -> str | None:
    verdict = decide(measure_page(found, recipe), page_rules(recipe))  # type: ignore[arg-type]
    return verdict.reason if isinstance(verdict, Rejected) else None


@pytest.mark.parametrize("recipe", [M3W, OBELICS, MMC4], ids=lambda recipe: recipe.name)
def test_a_good_page_passes_every_recipe(recipe: object) -> None:
    assert reason(page(sentences(10), sentences(20)[len(sentences(10)) + 1 :]), recipe) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "language"),
        (sentences(3), "too_few_words"),
        ("Das alte Boot liegt am Ufer des Flusses und wartet auf den Sommer, der bald kommen wird. " * 3, "language"),
        ("The old boat was seen near the river. " * 20, "top_3_gram"),
    ],
)
def test_the_first_failing_rule_in_the_recipes_order_is_the_reason(text: str, expected: str) -> None:
    assert reason(page(text)) == expected


def test_every_filter_is_measured_whatever_the_recipe() -> None:
    scores = measure_page(page(sentences(20)), M3W)
    for recipe in (M3W, OBELICS, MMC4):
        measured = {rule.score for rule in page_rules(recipe)}
        needs_a_list = {
            "explicit_share",
            "c4_bad_words",
            "obelics_flagged_words",
            "obelics_common_words",
        }
        assert measured - needs_a_list <= scores.keys()


def test_a_threshold_moves_without_measuring_again() -> None:
    scores = measure_page(page(sentences(8)), M3W)
    stricter = load_recipe("m3w", ["filters.quality.min_words=500"])
    assert decide(scores, page_rules(M3W)) == Kept()
    assert decide(scores, page_rules(stricter)) == Rejected("too_few_words", scores["words"], 500)


def test_the_text_holds_headings_and_captions_but_no_alt_texts() -> None:
    blocks = (
        Block(kind="heading", text="Title", level=1),
        Block(kind="image", image=ImageRef(url="u", alt_text="alt")),
        Block(kind="caption", text="Caption"),
    )
    assert page_text(blocks) == "Title\n\nCaption"


def test_a_known_language_is_not_detected_again() -> None:
    scores = measure_page(page(sentences(10), language="de", scores={"language_score": 0.9}), M3W)
    assert (scores["language_score"], scores["language_match"]) == (0.9, 0.0)


@pytest.mark.parametrize(
    ("recipe", "count", "expected"),
    [(M3W, 0, "no_image"), (M3W, 500, None), (OBELICS, 30, None), (OBELICS, 31, "too_many_images"), (MMC4, 31, None)],
)
def test_the_number_of_images_per_page_is_bounded(recipe: object, count: int, expected: str | None) -> None:
    verdict = decide({"images": count}, image_count_rules(recipe))  # type: ignore[arg-type]
    assert (verdict.reason if isinstance(verdict, Rejected) else None) == expected


def test_blocks_go_with_their_reasons_before_the_text_is_measured() -> None:
    blocks = page("We use cookies. Accept all?", sentences(2), "Sale now", "Read more").blocks
    kept, dropped = drop_blocks(blocks, OBELICS)
    assert [block.kind for block in kept] == ["paragraph", "image"]
    assert [(item.index, item.reason) for item in dropped] == [
        (0, "cookie_notice"),
        (2, "paragraph_too_few_words"),
        (3, "read_more"),
    ]
    assert [item.reason for item in drop_blocks(blocks, M3W)[1]] == ["cookie_notice", "read_more"]


GERMAN = "Das alte Boot liegt am Ufer des Flusses und wartet auf den Sommer, der bald kommen wird."


def test_foreign_blocks_go_where_a_recipe_says_so_and_code_stays() -> None:
    blocks = (*page(sentences(2), GERMAN, "Zum Boot").blocks, Block(kind="code", text=GERMAN))
    recipe = load_recipe("m3w", ["filters.language.drop_foreign_blocks=true"])
    kept, dropped = drop_blocks(blocks, recipe)
    assert [block for block in blocks if block not in kept] == [blocks[1]]
    assert dropped == (DroppedBlock(1, "foreign_language", 17.0),)
    assert drop_blocks(blocks, M3W) == (blocks, ())
    assert read_by(recipe) != read_by(M3W)


def test_kept_pages_are_edited_by_c4s_lines_and_masks() -> None:
    blocks = (
        Block(kind="heading", text="A title"),
        Block(kind="paragraph", text="Home\nWrite to jane@mail.org and ask her for more.\nMenu"),
        Block(kind="paragraph", text="Home"),
        Block(kind="image", image=ImageRef(url="u")),
    )
    masked = load_recipe("mmc4", ["filters.pii.email=MAIL"])
    edited = edit_blocks(blocks, masked)
    assert [block.text for block in edited] == ["A title", "Write to MAIL and ask her for more.", None]
    assert edit_blocks(blocks, M3W) == blocks


def pair(text: str, url: str = "http://a/b.jpg") -> Pair:
    return Pair(key="k", parent="p", page_url="http://a/", image_url=url, text=text, text_source="alt_text")


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("A red boat on the river", {}, None),
        ("Two words", {}, "too_few_caption_words"),
        ("Ein rotes Boot liegt auf dem breiten Fluss vor der alten Brücke", {}, "language"),
        ("A red boat on the river", {"text_images": 11}, "text_of_many_images"),
        ("A red boat on the river", {"image_texts": 1001}, "image_of_many_texts"),
    ],
)
def test_each_pair_has_its_verdict(text: str, known: dict[str, float], expected: str | None) -> None:
    verdict = decide({**measure_pair(pair(text), ALIGN), **known}, pair_rules(ALIGN))
    assert (verdict.reason if isinstance(verdict, Rejected) else None) == expected


def test_the_rules_on_the_url_come_first() -> None:
    scores = measure_image(ImageRef(url="http://a/logo.png", declared_width=20))
    assert decide(scores, image_rules(OBELICS)) == Rejected("url_word_logo", 1, 0)
    assert decide(scores, image_rules(M3W)) == Kept()


def test_word_lists_come_by_path(tmp_path: object) -> None:
    path = f"{tmp_path}/words.txt"
    with open(path, "w", encoding="utf-8") as file:
        file.write("# a comment\nTHE\n\n")
    recipe = load_recipe("mmc4", [f'filters.lists.bad_words="{path}"'])
    lists = load_word_lists(recipe)
    assert lists == WordLists(bad_words=frozenset({"the"}))
    verdict = decide(measure_page(page(sentences(12)), recipe, lists), page_rules(recipe))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "bad_words"


@pytest.mark.parametrize(
    "piece", ["a", "a ", ".", "!x", "[", "'", "/", "a\n", "\n", " ", "é ", "\ud800", "{", "we use "]
)
@pytest.mark.parametrize("end", ["", "x"])
def test_hostile_texts_take_time_in_proportion(piece: str, end: str) -> None:
    start = time.process_time()
    text = "x" + piece * (60_000 // len(piece)) + end
    kept, _ = drop_blocks(page(text).blocks, OBELICS)
    measure_page(page(text), OBELICS)
    edit_blocks(kept, load_recipe("mmc4", ["filters.pii.phone=PHONE"]))
    assert time.process_time() - start < 2.0


@given(st.lists(st.text(max_size=60), max_size=5), st.sampled_from([M3W, OBELICS, MMC4]))
def test_any_page_gets_exactly_one_verdict(texts: list[str], recipe: object) -> None:
    found = page(*texts)
    kept, dropped = drop_blocks(found.blocks, recipe)  # type: ignore[arg-type]
    assert len(kept) + len(dropped) == len(found.blocks)
    scores = measure_page(dataclasses.replace(found, blocks=kept), recipe)  # type: ignore[arg-type]
    assert all(value == value for value in scores.values())
    assert isinstance(decide(scores, page_rules(recipe)), Kept | Rejected)  # type: ignore[arg-type]
