"""`why` lists the events of a page or image, found by URL or key, with reason and place."""

from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.why import Event, keys_of, why
from corpusloom.schemas import identity, tables
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.records import SidecarRow
from tests.pipelines.datasets.finished import IMAGE, PAGE, finished_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    return finished_dataset(tmp_path)


def test_a_url_is_a_page_or_an_image_and_a_key_is_itself() -> None:
    assert keys_of("0" * 32) == {"0" * 32}
    assert keys_of("http://a.example/") == {
        identity.page_key("http://a.example/"),
        identity.image_key("http://a.example/"),
    }
    for name in ("0" * 31, "0" * 33, "g" * 32, "A" * 32):
        assert keys_of(name) == {identity.page_key(name), identity.image_key(name)}


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
    with pytest.raises(InputError, match=r"no record of http://nowhere\.example/.*loom extract WARC --url"):
        why(dataset, "http://nowhere.example/")
