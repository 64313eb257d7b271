"""Tables by sha256: parts are named after their keys, rows become objects on demand, and the first row wins."""

from dataclasses import replace
from pathlib import Path

from corpusloom.pipelines.store.images.facts import EMPTY
from corpusloom.pipelines.store.images.rows_by_sha256 import RowsBySha256, commit_rows
from corpusloom.schemas import arrow, tables
from corpusloom.schemas.records import ImageFacts, ImageScore

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def score(sha256: str, value: float | None) -> ImageScore:
    return ImageScore(sha256=sha256, model="m", score=value)


def test_rows_are_found_by_sha256(tmp_path: Path) -> None:
    commit_rows(str(tmp_path), ImageScore, [score(B, 0.5), score(A, None)])
    rows = RowsBySha256.read(str(tmp_path), ImageScore)
    assert (rows.get(A), rows.get(B), rows.get(C)) == (score(A, None), score(B, 0.5), None)
    assert (len(rows), A in rows, C in rows, "short" in rows) == (2, True, False, False)
    assert rows.column("score") == {A: None, B: 0.5}


def test_a_replay_writes_the_same_file_whatever_the_order(tmp_path: Path) -> None:
    commit_rows(str(tmp_path), ImageScore, [score(A, 0.1), score(B, 0.2)])
    (first,) = tmp_path.iterdir()
    data = first.read_bytes()
    commit_rows(str(tmp_path), ImageScore, [score(B, 0.2), score(A, 0.1)])
    assert [(path, path.read_bytes()) for path in tmp_path.iterdir()] == [(first, data)]
    commit_rows(str(tmp_path), ImageScore, [score(C, 0.3)])
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_does_not_exist_is_an_empty_table(tmp_path: Path) -> None:
    assert len(RowsBySha256.read(str(tmp_path / "none"), ImageScore)) == 0


def test_facts_of_images_that_version_1_decoded_otherwise_are_computed_again(tmp_path: Path) -> None:
    turned, cut, good = (
        replace(EMPTY, sha256=sha256, format=format, error=error)
        for sha256, format, error in ((A, "avif", None), (B, "jpeg", "truncated"), (C, "jpeg", None))
    )
    table = arrow.to_table(ImageFacts, [turned, cut, good])
    old = table.replace_schema_metadata(table.schema.metadata | {b"corpusloom.version": b"1"})
    tables.write_table(str(tmp_path / "part-0.parquet"), old, sort_by=("sha256",))
    rows = RowsBySha256.read(str(tmp_path), ImageFacts)
    assert (len(rows), rows.get(C)) == (1, good)
    commit_rows(str(tmp_path), ImageFacts, [turned, cut])
    assert len(RowsBySha256.read(str(tmp_path), ImageFacts)) == 3
