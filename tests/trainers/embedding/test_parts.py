"""Parts are written once each, whatever the number of threads, without the rows that cannot be made."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from corpusloom.schemas.images.embeddings.parts import read_part
from corpusloom.trainers.embedding import parts
from corpusloom.trainers.embedding.parts import NOT_FINITE, PartWriter
from corpusloom.trainers.training import distributed


def writer(folder: Path, embedded: list[int]) -> PartWriter:
    """Return a writer of 10 rows, of which 4 cannot be read and 6 is not finite."""

    def embed(numbers: Sequence[int]) -> tuple[np.ndarray, dict[int, str]]:
        embedded.extend(numbers)
        rows = np.asarray(numbers, np.float16)[:, None] * np.ones((1, 2), np.float16)
        rows[[number == 6 for number in numbers]] = np.nan
        return rows, {4: "truncated"} if 4 in numbers else {}

    columns = {"sha256": pa.string()}
    return PartWriter(str(folder), "texts", 10, "id", embed, lambda n: {"sha256": f"s{n}"}, columns, 2)


@pytest.fixture(autouse=True)
def four_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", 4)


def test_rows_are_embedded_once_and_those_that_cannot_be_are_listed(tmp_path: Path) -> None:
    embedded: list[int] = []
    threads = torch.get_num_threads()
    first = writer(tmp_path, embedded)
    first.run(workers=3)
    assert sorted(embedded) == list(range(10))
    assert torch.get_num_threads() == threads
    middle = read_part(str(tmp_path / "texts/00001.parquet"))
    assert middle.columns.column("sha256").to_pylist() == ["s5", "s7"]
    assert middle.embeddings[:, 0].tolist() == [5, 7]
    assert [(item.number, item.sha256, item.reason) for item in middle.skipped] == [
        (4, "s4", "truncated"),
        (6, "s6", NOT_FINITE),
    ]
    assert (first.own_rows(), first.done(), first.progress.reused) == (10, 10, 0)


def test_finished_parts_are_not_embedded_again(tmp_path: Path) -> None:
    writer(tmp_path, []).run(workers=1)
    before = {path.name: path.read_bytes() for path in (tmp_path / "texts").iterdir()}
    (tmp_path / "texts/00001.parquet").unlink()
    embedded: list[int] = []
    again = writer(tmp_path, embedded)
    again.run(workers=2)
    assert sorted(embedded) == [4, 5, 6, 7]
    assert again.progress.reused == 6
    assert {path.name: path.read_bytes() for path in (tmp_path / "texts").iterdir()} == before


def test_ranks_share_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[list[int]] = [[], []]
    monkeypatch.setattr(distributed, "data_ranks", lambda: 2)
    for rank, embedded in enumerate(shares):
        monkeypatch.setattr(distributed, "data_rank", lambda rank=rank: rank)
        own = writer(tmp_path / "two", embedded)
        own.run(workers=1)
        assert own.done() == own.own_rows() == len(embedded)
    assert shares == [[0, 1, 2, 3, 8, 9], [4, 5, 6, 7]]
    monkeypatch.setattr(distributed, "data_ranks", lambda: 1)
    monkeypatch.setattr(distributed, "data_rank", lambda: 0)
    writer(tmp_path / "one", []).run(workers=1)
    for name in ("00000", "00001", "00002"):
        one, two = (tmp_path / ranks / f"texts/{name}.parquet" for ranks in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_an_error_ends_the_run_without_the_part(tmp_path: Path) -> None:
    def fail(numbers: Sequence[int]) -> tuple[np.ndarray, dict[int, str]]:
        raise OSError("no disk")

    broken = PartWriter(str(tmp_path), "texts", 10, "id", fail, lambda n: {}, {}, 2)
    with pytest.raises(OSError, match="no disk"):
        broken.run(workers=2)
    assert not (tmp_path / "texts").exists()
