"""Data tables and layout tables; caps that a page cannot raise."""

import dataclasses

import pytest

from corpusloom.pipelines.extract.reading.types import ExtractConfig, Extracted, RawPage, Table


@pytest.mark.parametrize(
    ("facts", "is_data"),
    [
        ({"rows": 2, "columns": 2}, True),
        ({"rows": 1, "columns": 2}, False),
        ({"rows": 2, "columns": 1}, False),
        ({"rows": 2, "columns": 2, "block_children": True}, False),
        ({"rows": 1, "columns": 1, "headed": True}, True),
        ({"rows": 2, "columns": 2, "headed": True, "block_children": True}, True),
        ({"rows": 2, "columns": 2, "headed": True, "nested": True}, False),
    ],
)
def test_a_table_is_data_by_its_header_or_its_cells(facts: dict[str, int], is_data: bool) -> None:
    assert dataclasses.replace(Table(1), **facts).is_data is is_data


def test_pages_share_no_state() -> None:
    first, second = RawPage(), RawPage()
    first.runs.append(None)  # type: ignore[arg-type]
    first.metas["a"] = "b"
    assert second == RawPage()


def test_configurations_and_results_cannot_be_changed() -> None:
    for value, field in ((ExtractConfig(), "max_bytes"), (Extracted(title=None, blocks=()), "title")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field, 1)


def test_the_caps_stand_as_documented() -> None:
    config = ExtractConfig()
    caps = (config.max_bytes, config.max_tags, config.max_tag_bytes, config.max_depth, config.max_blocks)
    assert (*caps, config.max_images) == (10_000_000, 100_000, 100_000, 200, 20_000, 2_000)
    assert (config.main_content, config.method, config.walk, config.weights) == (True, "learned", "fast", "")
    assert (config.keep_dropped, config.background_images, config.structured_data) == (False, True, True)
