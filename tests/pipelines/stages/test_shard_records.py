"""Verdicts on the images, pages and pairs of a shard: each test names the reason that the ledger gives."""

import dataclasses
import hashlib
from typing import Any

import pytest

from corpusloom.pipelines.datasets.forget import make_tombstones
from corpusloom.pipelines.dedup.decontamination import BenchmarkItem, Benchmarks
from corpusloom.pipelines.dedup.frequency import paragraph_keys
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe
from corpusloom.pipelines.stages.shard_records import (
    ImageJudge,
    edited,
    member_form,
    page_sample,
    pair_to_sample,
    resize_of,
)
from corpusloom.pipelines.store.images.facts import make_facts
from corpusloom.pipelines.store.images.outcomes import FetchedImage
from corpusloom.pipelines.store.images.resize import Resize
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.tombstones import hide
from corpusloom.schemas import identity
from corpusloom.schemas.images.headers import read_header
from corpusloom.schemas.records import Block, ImageRef, Page, Pair, Signal
from corpusloom.schemas.verdicts import Dead, Kept, Rejected, Verdict
from tests.pipelines.store.store_maker import DATE, fill, png

SIDE = 128
HOST = "http://example.org"
TEXT = "What is the name of the river that flows through the old town and under seven stone bridges of the city"
LONG = " ".join(f"Filler sentence number {number} says nothing of interest." for number in range(20))


def sha256_of(number: int) -> str:
    """Return the hash of a picture."""
    return hashlib.sha256(png(number, SIDE)).hexdigest()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    """Return a store of four pictures (two alike, one opted out, one without facts), a rejection and an error."""
    folder = tmp_path_factory.mktemp("store")

    def picture(number: int, *signals: Signal) -> FetchedImage:
        return FetchedImage(body=png(number, SIDE), fetched_at=DATE, signals=signals)

    noai = Signal(name="robots", value="noai", where="header", seen_at=DATE)
    made = fill(
        folder,
        [
            ("a", picture(1)),
            ("again", picture(1)),
            ("b", picture(2)),
            ("noai", picture(3, noai)),
            ("no_facts", picture(4)),
            ("rejected", Rejected("http_410")),
            ("dead", Dead("timeout_total")),
            ("bad", picture(5)),
        ],
    )
    facts = [make_facts(png(number, SIDE), sha256_of(number), "png") for number in (1, 2, 3, 5)]
    made.commit_facts([*facts[:3], dataclasses.replace(facts[3], error="truncated")])
    return made


def judge(store: ImageStore, *overrides: str, name: str = "m3w", **changes: Any) -> ImageJudge:
    """Return a judge with m3w's or align's rules, changed."""
    off = ("filters.images.min_side=64",) if name == "align" else ()
    recipe = load_recipe(name, (*off, *overrides))
    values: dict[str, Any] = {"frequent": frozenset(), "index": store.index()} | changes
    return ImageJudge(recipe=recipe, store=store, **values)


def ref(name: str) -> ImageRef:
    """Return an image by the name of its URL."""
    return ImageRef(url=f"{HOST}/{name}")


# --- one image ---


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("a", Kept()),
        ("never", Dead("not_fetched")),
        ("dead", Dead("timeout_total")),
        ("rejected", Rejected("http_410")),
        ("no_facts", Dead("no_facts")),
        ("bad", Rejected("truncated")),
    ],
)
def test_an_image_is_judged_by_its_outcome_and_facts(store: ImageStore, name: str, verdict: Verdict) -> None:
    found, _, image = judge(store)(ref(name))
    assert found == verdict
    assert (image is not None) == (verdict == Kept())


def test_a_kept_image_has_scores_and_the_bytes_of_its_member(store: ImageStore) -> None:
    _, scores, image = judge(store)(ref("a"))
    assert image is not None
    assert (image.extension, image.size, image.facts.sha256) == ("png", None, sha256_of(1))
    assert read_header(image.data).width == SIDE
    assert scores


def test_an_opt_out_counts_only_if_the_recipe_honours_it(store: ImageStore) -> None:
    verdict, _, image = judge(store)(ref("noai"))
    assert isinstance(verdict, Rejected)
    assert (verdict.reason, image) == ("opt_out_noai", None)
    assert judge(store, "honour.signals=[]")(ref("noai"))[0] == Kept()


def test_a_rule_rejects_with_the_measured_value(store: ImageStore) -> None:
    verdict, scores, image = judge(store, f"filters.images.min_side={SIDE + 1}")(ref("a"))
    assert isinstance(verdict, Rejected)
    assert (verdict.measured, verdict.threshold, image) == (SIDE, SIDE + 1, None)
    assert scores
    assert judge(store, f"filters.images.min_side={SIDE}")(ref("a"))[0] == Kept()


def test_a_model_score_is_judged_where_there_is_one(store: ImageStore) -> None:
    overrides = ("filters.images.nsfw_model=x", "filters.images.max_nsfw=0.5")
    verdict, scores, _ = judge(store, *overrides, nsfw={sha256_of(1): 0.75, sha256_of(2): None})(ref("a"))
    assert (verdict.reason, verdict.measured, scores["model_nsfw"]) == ("nsfw", 0.75, 0.75)  # type: ignore[union-attr]
    for unscored in ({sha256_of(2): None}, {}):
        verdict, scores, _ = judge(store, *overrides, nsfw=unscored)(ref("b"))
        assert verdict == Rejected("nsfw_not_scored")
        assert "model_nsfw" not in scores
    assert isinstance(judge(store, overrides[0], nsfw={})(ref("b"))[0], Kept)  # a model without a bound only scores


def test_frequent_taken_down_and_evaluation_images_are_rejected(store: ImageStore) -> None:
    assert judge(store, frequent=frozenset((f"{HOST}/a",)))(ref("a")) == (Rejected("url_too_frequent"), {}, None)
    assert judge(store)(ImageRef(url=hide(f"{HOST}/a"))) == (Rejected("forgotten"), {}, None)
    stones = make_tombstones(sha256=(sha256_of(1),))
    assert judge(store, tombstones=stones, frequent=frozenset((f"{HOST}/a",)))(ref("a"))[0] == Rejected("forgotten")
    assert judge(store, tombstones=stones)(ref("b"))[0] == Kept()
    benchmarks = Benchmarks([BenchmarkItem(benchmark="Exam", item="1", sha256=sha256_of(1))])
    verdict, _, image = judge(store, benchmarks=benchmarks)(ref("again"))
    assert (verdict.reason, image) == ("benchmark_exam", None)  # type: ignore[union-attr]
    assert judge(store, benchmarks=benchmarks)(ref("b"))[0] == Kept()


# --- the bytes of a member ---


def recipe(*overrides: str) -> Recipe:
    """Return m3w's recipe, changed."""
    return load_recipe("m3w", overrides)


def test_an_image_is_stored_as_fetched_unless_the_recipe_changes_it() -> None:
    plain = recipe("images.format=off", "images.resize=off")
    assert resize_of(plain) is None
    assert member_form(png(1), "png", plain) == (png(1), "png", None)
    assert resize_of(recipe("images.resize=64", "images.resize_mode=border")) == Resize(
        mode="border", size=64, format="jpg", quality=95
    )
    assert resize_of(recipe("images.format=webp", "images.quality=80")) == Resize(
        mode="no", size=1, format="webp", quality=80
    )
    data, extension, size = member_form(png(1, 100), "png", recipe("images.resize=50", "images.format=webp"))
    assert (extension, size) == ("webp", (50, 50))
    assert (read_header(data).width, read_header(data).format) == (50, "webp")


# --- pages ---


def page(*blocks: str | ImageRef) -> Page:
    """Return a page of texts and images."""
    made = (
        Block(kind="paragraph", text=block) if isinstance(block, str) else Block(kind="image", image=block)
        for block in blocks
    )
    url = f"{HOST}/page"
    return Page(key="0" * 32, parent="p", url=url, canonical_url=url, fetched_at=DATE, blocks=tuple(made))


def rows(ledger: Ledger) -> list[tuple[str, str, str | None]]:
    """Return unit, reason and URL of what a ledger rejected."""
    return [(row.unit, row.reason, row.url) for row in ledger.rows]


def test_a_page_with_an_image_is_a_sample_and_each_occurrence_is_accounted_for(store: ImageStore) -> None:
    ledger = Ledger("shards")
    shown = page("first", ref("a"), "second", ref("never"), ref("again"), ref("b"))
    sample = page_sample(shown, frozenset(), judge(store, "images.once_per_page=true"), ledger)
    assert sample is not None
    assert (sample.row.images, sample.row.split) == (2, "train")
    assert rows(ledger) == [
        ("image_occurrence", "not_fetched", f"{HOST}/never"),
        ("image_occurrence", "repeated_in_page", f"{HOST}/again"),
    ]
    keys = {row.key for row in ledger.scores if row.unit == "image_occurrence"}
    assert keys == {identity.make_key("occurrence", "0" * 32, str(ordinal)) for ordinal in range(4)}
    counts = {row.unit: (row.records_in, row.kept) for row in ledger.counts()}
    assert counts == {"image_occurrence": (4, 2), "page": (1, 1)}
    again = page_sample(shown, frozenset(), judge(store, "images.once_per_page=false"), Ledger("shards"))
    assert again is not None
    assert again.row.images == 3


def test_a_page_is_rejected_for_its_number_of_images_and_for_an_nsfw_image(store: ImageStore) -> None:
    ledger = Ledger("shards")
    assert page_sample(page("text", ref("never")), frozenset(), judge(store, "images.min_per_page=1"), ledger) is None
    assert [row[:2] for row in rows(ledger)] == [("image_occurrence", "not_fetched"), ("page", "no_image")]
    overrides = ("filters.images.nsfw_model=x", "filters.images.max_nsfw=0.5")
    for drop, made in (("true", False), ("false", True)):
        ledger = Ledger("shards")
        judged = judge(
            store, *overrides, f"images.drop_page_on_nsfw={drop}", nsfw={sha256_of(1): 0.75, sha256_of(2): 0.5}
        )
        sample = page_sample(page("text", ref("a"), ref("b")), frozenset(), judged, ledger)
        assert (sample is not None) == made
        assert [row[:2] for row in rows(ledger)] == [
            ("image_occurrence", "nsfw"), *([] if made else [("page", "nsfw_image")])
        ]  # fmt: skip


def test_frequent_paragraphs_go_and_a_page_without_text_too(store: ImageStore) -> None:
    shown = page("one text of the page", "another text of the page", ref("a"))
    first, second = paragraph_keys(shown)
    found = edited(shown, frozenset((first,)), judge(store), Ledger("shards"))
    assert isinstance(found, Page)
    assert [block.text for block in found.blocks if block.text] == ["another text of the page"]
    ledger = Ledger("shards")
    assert page_sample(shown, frozenset((first, second)), judge(store), ledger) is None
    assert rows(ledger) == [("page", "no_text", f"{HOST}/page")]


def test_an_evaluation_text_is_cut_out_with_a_row_of_provenance(store: ImageStore) -> None:
    benchmarks = Benchmarks([BenchmarkItem(benchmark="Exam", item="7", text=TEXT)])
    ledger = Ledger("shards")
    found = edited(page(LONG, TEXT, LONG, ref("a")), frozenset(), judge(store, benchmarks=benchmarks), ledger)
    assert isinstance(found, Page)
    assert all(TEXT not in (block.text or "") for block in found.blocks)
    assert sum(block.image is not None for block in found.blocks) == 1
    assert (ledger.provenance[0].message or "").startswith("Exam 7: ngram of ")
    refused = edited(page(TEXT, ref("a")), frozenset(), judge(store, benchmarks=benchmarks), Ledger("shards"))
    assert isinstance(refused, Rejected)
    assert refused.reason == "benchmark_exam"


# --- pairs ---


def pair(name: str, text: str = "a photo of a house") -> Pair:
    """Return a pair of an image and a text."""
    return Pair(key="1" * 32, parent="p", page_url="", image_url=f"{HOST}/{name}", text=text, text_source="alt_text")


def test_a_pair_is_a_sample_if_its_image_is_kept(store: ImageStore) -> None:
    ledger, judged = Ledger("shards"), judge(store, "split.val=1", name="align")
    sample = pair_to_sample(pair("a"), frozenset(), judged, ledger)
    assert sample is not None
    assert (sample.fields["txt"], sample.row.split, sample.row.sha256) == (b"a photo of a house", "val", sha256_of(1))
    assert pair_to_sample(pair("rejected"), frozenset(), judged, ledger) is None
    assert rows(ledger) == [("pair", "http_410", f"{HOST}/rejected")]


def test_a_pair_with_an_evaluation_text_is_rejected(store: ImageStore) -> None:
    benchmarks = Benchmarks([BenchmarkItem(benchmark="Exam", item="7", text=TEXT)])
    ledger, judged = Ledger("shards"), judge(store, name="align", benchmarks=benchmarks)
    assert pair_to_sample(pair("a", TEXT), frozenset(), judged, ledger) is None
    assert pair_to_sample(pair("a"), frozenset(), judged, ledger) is not None
    assert pair_to_sample(pair("dead", TEXT), frozenset(), judged, ledger) is None
    assert [row[1] for row in rows(ledger)] == ["benchmark_exam", "timeout_total"]
