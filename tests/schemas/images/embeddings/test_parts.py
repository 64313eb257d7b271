"""Parts: rows, metadata and ledger come back as they were written."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusloom.schemas import tables
from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.images.embeddings.parts import (
    SKIPPED_TABLE,
    identity_of,
    part_name,
    read_part,
    skipped_in,
    write_part,
    write_skipped,
)
from tests.schemas.images.embeddings.sidecars import LACKING, image_columns, random_embeddings


def test_a_part_comes_back_with_its_identity_and_what_it_lacks(tmp_path: Path) -> None:
    path, rows = str(tmp_path / part_name("images", 7)), random_embeddings(3)
    write_part(path, image_columns(0, 3), rows, "abc", [LACKING])
    part = read_part(path)
    assert path.endswith("images/00007.parquet")
    assert np.array_equal(part.embeddings, rows)
    assert part.columns.column("key").to_pylist() == ["key-0", "key-1", "key-2"]
    assert (identity_of(path), skipped_in(path), part.skipped) == ("abc", (LACKING,), (LACKING,))


def test_a_part_may_be_empty(tmp_path: Path) -> None:
    path = str(tmp_path / "empty.parquet")
    write_part(path, image_columns(0, 0), random_embeddings(3)[:0], "abc", [LACKING])
    assert read_part(path).embeddings.shape == (0, 8)


def test_embeddings_are_stored_as_they_are_in_memory(tmp_path: Path) -> None:
    write_part(str(tmp_path / "x"), image_columns(0, 3), random_embeddings(3), "abc", [])
    column = pq.ParquetFile(tmp_path / "x").metadata.row_group(0).column(4)
    assert (column.path_in_schema, column.compression, column.has_dictionary_page) == (
        "embedding",
        "UNCOMPRESSED",
        False,
    )


def test_another_table_holds_no_embeddings(tmp_path: Path) -> None:
    tables.write_table(str(tmp_path / "x"), pa.table({"embedding": ["no"]}))
    with pytest.raises(DamageError, match="holds no embeddings"):
        read_part(str(tmp_path / "x"))
    assert identity_of(str(tmp_path / "x")) == ""


def test_the_ledger_lists_what_has_no_embedding(tmp_path: Path) -> None:
    write_skipped(str(tmp_path), [LACKING])
    assert tables.read_table(str(tmp_path / SKIPPED_TABLE)).to_pylist() == [
        {"sha256": "f" * 64, "key": "key-3", "field": "jpg", "reason": "truncated"}
    ]
