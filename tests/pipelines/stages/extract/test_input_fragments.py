"""Records and heads of an input are written as fragments of a bounded size; its report commits it."""

from pathlib import Path

import pytest

from corpusloom.pipelines.stages.extract import input_fragments
from corpusloom.pipelines.stages.extract.input_fragments import (
    FragmentWriter,
    InputFile,
    is_extracted,
    read_counts,
    write_counts,
)
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.schemas import tables
from corpusloom.schemas.records import Head, Pair, StageCounts

ITEM = InputFile(path="a.warc", sha256="0123456789abcdef" * 4)


def made(key: str) -> tuple[Pair, Head]:
    """Return a pair and its head."""
    pair = Pair(
        key=key, parent="p", page_url="http://e.org/", image_url="http://e.org/a.jpg", text="t", text_source="alt_text"
    )
    return pair, Head(unit="pair", key=key, parent="p", url=pair.image_url)


def test_fragments_hold_a_bounded_number_of_records_sorted_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_fragments, "FRAGMENT_ROWS", 2)
    writer = FragmentWriter(str(tmp_path), Pair, ITEM.stem)
    writer.add([made(key) for key in "ebdac"])
    writer.flush()
    writer.flush()
    for folder, cls in (("records", Pair), ("candidates", Head)):
        found = sorted((tmp_path / folder).iterdir())
        assert [path.name for path in found] == [f"{ITEM.stem}-{part:04d}.parquet" for part in range(3)]
        assert [[row.key for row in tables.read_records(str(path), cls)] for path in found] == [
            ["b", "e"],
            ["a", "d"],
            ["c"],
        ]
    assert writer.rows == 5


def test_of_a_record_that_was_taken_down_only_a_redacted_head_stays(tmp_path: Path) -> None:
    writer = FragmentWriter(str(tmp_path), Pair, ITEM.stem, Tombstones(keys=frozenset({"a"})))
    writer.add([made("a"), made("b")])
    writer.flush()
    name = f"{ITEM.stem}-0000.parquet"
    assert [row.key for row in tables.read_records(str(tmp_path / "records" / name), Pair)] == ["b"]
    heads = {row.key: row.url for row in tables.read_records(str(tmp_path / "candidates" / name), Head)}
    assert heads == {"a": "", "b": "http://e.org/a.jpg"}


def test_the_report_makes_an_input_finished_and_holds_its_counts(tmp_path: Path) -> None:
    counts = (StageCounts(stage="extract", unit="pair", records_in=2, kept=2),)
    assert not is_extracted(str(tmp_path), ITEM)
    assert write_counts(str(tmp_path), ITEM, counts) == counts
    assert is_extracted(str(tmp_path), ITEM)
    assert tuple(read_counts(str(tmp_path), ITEM)) == counts
