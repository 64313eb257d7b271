"""`why` lists the events of a page or image, found by URL or key, with reason and place."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.explain.event import STAGES, Event
from corpusloom.pipelines.datasets.why import why
from corpusloom.pipelines.stages.scrape.scrape_lane import FrontierRow
from corpusloom.schemas import identity, tables
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.records import Head, SidecarRow
from tests.pipelines.datasets.finished import IMAGE, PAGE, finished_dataset
from tests.pipelines.small_web import SmallWeb, small_web


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    return finished_dataset(tmp_path)


def test_an_image_has_its_reason_and_what_was_measured(dataset: str) -> None:
    assert why(dataset, IMAGE) == [
        Event(
            stage="images", unit="image", key=identity.image_key(IMAGE), parent=identity.page_key(PAGE), url=IMAGE,
            outcome="rejected", reason="too_small", measured=9.0, threshold=10.0, scores={"side": 9.0},
        )
    ]  # fmt: skip


def test_a_page_is_told_with_its_images_in_order_of_the_stages(dataset: str) -> None:
    found = why(dataset, PAGE)
    assert [(event.stage, event.reason) for event in found] == [("extract", "http_404"), ("images", "too_small")]
    assert found[0] == Event(
        stage="extract", unit="record", key="0" * 32, parent=None, url=PAGE, outcome="rejected", reason="http_404"
    )


def test_an_outcome_without_scores_is_told_as_well(dataset: str) -> None:
    (event,) = why(dataset, "http://b.example/")
    assert (event.outcome, event.reason, event.scores, event.measured) == ("dead", "timeout", None, None)
    assert why(dataset, "2" * 32) == [event]


def test_a_kept_sample_is_told_with_its_tar(dataset: str) -> None:
    row = next(iter(tables.read_records(f"{dataset}/00001.parquet", SidecarRow)))
    (event,) = why(dataset, row.key)
    assert (event.stage, event.unit, event.outcome, event.url) == ("shards", "sample", "kept", row.url)
    assert event.note == f"in 00001.tar: 1 images, {row.text_length} characters, split train"


def test_an_unknown_name_is_an_error_that_says_how_to_go_on(dataset: str) -> None:
    with pytest.raises(InputError, match=r"no record of http://nowhere\.invalid/.*loom extract WARC --url"):
        why(dataset, "http://nowhere.invalid/")


def test_a_misspelt_name_is_answered_with_the_nearest_ones(dataset: str) -> None:
    with pytest.raises(InputError, match=rf"no record of .*did you mean {PAGE}"):
        why(dataset, "http://a.example/pages")


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWeb]:
    """Return a small web with a crawl and an M3W."""
    with small_web(tmp_path_factory.mktemp("why")) as made:
        made.scrape()
        made.build("m3w", "m3w", shards=2)
        yield made


def frontier(web: SmallWeb) -> list[FrontierRow]:
    paths = sorted((web.folder / "crawl" / "frontier").iterdir())
    return [row for path in paths for row in tables.read_records(str(path), FrontierRow)]


def heads(web: SmallWeb) -> list[Head]:
    paths = sorted((web.folder / "work" / "stages").glob("select-*/decisions/*.parquet"))
    return [row for path in paths for row in tables.read_records(str(path), Head)]


def test_every_page_of_the_crawl_is_known_to_crawl_work_folder_and_dataset(web: SmallWeb) -> None:
    refused = next(row for row in frontier(web) if row.reason == "robots_disallowed")
    for folder in ("crawl", "work", "m3w"):
        (event,) = why(str(web.folder / folder), refused.url)
        assert (event.stage, event.reason, event.url) == ("scrape", "robots_disallowed", refused.url)


def test_an_image_of_a_rejected_page_says_why_nobody_asked_for_it(web: SmallWeb) -> None:
    kept = {url for head in heads(web) if head.outcome == "kept" for url in head.images}
    page = next(head for head in heads(web) if head.outcome != "kept" and set(head.images) - kept)
    image = sorted(set(page.images) - kept)[0]
    found = {(event.stage, event.unit): event for event in why(str(web.folder / "m3w"), image)}
    assert found["select", "page"].reason
    assert found["images", "image"].outcome == "not_fetched"


def test_a_kept_image_leads_to_its_sample_and_to_the_store(web: SmallWeb) -> None:
    samples = {
        row.key
        for path in (web.folder / "m3w").glob("0*.parquet")
        for row in tables.read_records(str(path), SidecarRow)
    }
    page = next(head for head in heads(web) if head.key in samples)
    found = [why(str(web.folder / "m3w"), image) for image in page.images]
    units = [{(event.stage, event.unit, event.outcome) for event in events} for events in found]
    assert any({("shards", "sample", "kept"), ("shards", "image_occurrence", "kept")} <= told for told in units)
    assert all(("store", "image", "kept") in told or ("store", "image", "rejected") in told for told in units)


def test_a_page_lists_the_decision_of_each_stage(web: SmallWeb) -> None:
    page = next(head for head in heads(web) if head.outcome == "kept")
    stages = [event.stage for event in why(str(web.folder / "m3w"), page.url)]
    assert stages == sorted(stages, key=STAGES.index)
    assert {"scrape", "extract", "select", "shards"} <= set(stages)
    assert {event.url for event in why(str(web.folder / "m3w"), page.url) if event.unit == "page"} == {page.url}
