"""Pages as shards write them: without frequent paragraphs, dropped lines, personal data and evaluation texts."""

from pathlib import Path

import pytest

from corpusloom.pipelines.dedup.decontamination import BenchmarkItem, Benchmarks
from corpusloom.pipelines.dedup.frequency import paragraph_keys
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe
from corpusloom.pipelines.stages.shard_records import ImageJudge, edited, judge_image
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas.records import Block, ImageRef, Page
from corpusloom.schemas.verdicts import Dead, Rejected
from tests.pipelines.store.store_maker import fill, outcomes, wanted

M3W = load_recipe("m3w")
TEXT = "The old mill stands where the river turns, and in spring the water reaches the lowest of its wooden steps."
QUESTION = "Which of the four bridges in the picture was closed to all traffic after the flood of last spring"


def page(*texts: str) -> Page:
    """Return a page of paragraphs and one image."""
    blocks = (*(Block(kind="paragraph", text=text) for text in texts), Block(kind="image", image=ImageRef(url="i")))
    return Page(key="k", url="http://e.org/a", canonical_url="http://e.org/a", fetched_at="", blocks=blocks)


def judge(folder: Path, recipe: Recipe = M3W, benchmarks: Benchmarks | None = None) -> ImageJudge:
    """Return a judge over an empty store."""
    store = ImageStore(str(folder))
    return ImageJudge(recipe=recipe, store=store, index=store.index(), frequent=frozenset(), benchmarks=benchmarks)


def texts_of(found: Page | Rejected) -> list[str | None]:
    """Return the texts of a page's blocks, None for the image."""
    assert isinstance(found, Page)
    return [block.text for block in found.blocks]


def test_a_page_without_anything_to_edit_is_written_as_it_is(tmp_path: Path) -> None:
    ledger = Ledger("shards")
    assert edited(page(TEXT), frozenset(), judge(tmp_path), ledger) == page(TEXT)
    assert ledger.provenance == []


def test_frequent_paragraphs_are_not_written(tmp_path: Path) -> None:
    frequent = frozenset(paragraph_keys(page("Prices are without tax.")))
    whole = page("Prices are without tax.", TEXT, "Prices are without tax.")
    assert texts_of(edited(whole, frequent, judge(tmp_path), Ledger("shards"))) == [TEXT, None]
    left = edited(page("Prices are without tax."), frequent, judge(tmp_path), Ledger("shards"))
    assert left == Rejected("no_text")


def test_personal_data_is_masked_where_the_recipe_says_so(tmp_path: Path) -> None:
    masking = load_recipe("m3w", ("filters.pii.email=nobody@example.com",))
    found = edited(page(f"{TEXT} Write to jane@example.org."), frozenset(), judge(tmp_path, masking), Ledger("shards"))
    assert texts_of(found) == [f"{TEXT} Write to nobody@example.com.", None]


def test_evaluation_texts_are_cut_and_noted(tmp_path: Path) -> None:
    benchmarks = Benchmarks([BenchmarkItem(benchmark="Exam", item="7", text=QUESTION)])
    far = " ".join([TEXT] * 6)
    ledger = Ledger("shards")
    found = edited(page(far, QUESTION, far), frozenset(), judge(tmp_path, benchmarks=benchmarks), ledger)
    assert all(QUESTION not in (text or "") for text in texts_of(found))
    assert texts_of(found)[-1] is None
    assert {(row.stage, row.key, row.url) for row in ledger.provenance} == {("shards", "k", "http://e.org/a")}
    assert {(row.message or "").split(":")[0] for row in ledger.provenance} == {"Exam 7"}
    alone = edited(page(QUESTION), frozenset(), judge(tmp_path, benchmarks=benchmarks), Ledger("shards"))
    assert isinstance(alone, Rejected)
    assert alone.reason == "benchmark_exam"
    assert alone.measured == float(len(benchmarks.match_text(QUESTION)))


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("gone", Rejected("http_410")),
        ("slow", Dead("timeout_total")),
        ("html", Rejected("not_an_image")),
        ("nowhere", Dead("not_fetched")),
        ("a", Dead("no_facts")),
    ],
)
def test_an_image_has_the_outcome_that_the_store_has(tmp_path: Path, name: str, verdict: Rejected | Dead) -> None:
    store = fill(tmp_path, outcomes())
    assert judge_image(ImageRef(url=wanted(name).url), store.index(), store, M3W) == (verdict, {}, None)
