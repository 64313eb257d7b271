"""Packs: checkpoints after a number of outcomes or bytes, errors of the disk, and other tools that read the packs."""

import hashlib
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from corpusloom.pipelines.store.images import packs as module
from corpusloom.pipelines.store.images.packs import Checkpoint, PackWriter, decided_by_whole_bodies, inspect
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas.errors import ShortageError
from corpusloom.schemas.verdicts import Rejected
from tests.pipelines.store.store_maker import DATE, answer, fill, outcomes, png, wanted


def packs(folder: Path) -> list[Path]:
    return sorted((folder / "packs").iterdir())


def test_warcio_finds_every_digest_right(tmp_path: Path) -> None:
    fill(tmp_path, outcomes())
    command = [sys.executable, "-m", "warcio.cli", "check", "-v", *map(str, packs(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "digest pass" in done.stdout
    assert "fail" not in done.stdout


def test_fastwarc_reads_the_images(tmp_path: Path) -> None:
    fill(tmp_path, outcomes(), each=100)
    with packs(tmp_path)[0].open("rb") as handle:
        records = [(r.record_type, r.reader.read()) for r in ArchiveIterator(handle, verify_digests=True)]
    assert [body for kind, body in records if kind == WarcRecordType.resource] == [png(1), png(2), png(3)]


def test_a_kept_image_has_its_row(tmp_path: Path) -> None:
    row = fill(tmp_path, [("a", answer(1))]).index().find(wanted("a").key)
    assert row is not None
    assert (row.url, row.final_url, row.status, row.outcome) == (wanted("a").url, "http://example.org/x", 200, "kept")
    assert (row.sha256, row.bytes) == (hashlib.sha256(png(1)).hexdigest(), len(png(1)))
    assert (row.width, row.height, row.format) == (9, 9, "png")
    assert (row.fetched_at, row.etag, row.signals) == (DATE, '"1"', ())
    assert (row.pack, row.length) == (
        packs(tmp_path)[0].name,
        len(packs(tmp_path)[0].read_bytes()[row.offset :][: row.length]),
    )


def test_bytes_fill_a_checkpoint_too(tmp_path: Path) -> None:
    store = ImageStore(str(tmp_path))
    writer = PackWriter(store, "lane-0", 1, 10**6, Checkpoint(bytes=2 * len(png(1)) + 2))
    for number in range(6):
        writer.add(wanted(str(number)), answer(number))
    writer.commit()
    assert len(packs(tmp_path)) >= 3


def test_a_full_disk_is_an_error_that_names_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fill(tmp_path, [("a", answer(1))])
    before = store.index().find(wanted("a").key)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    writer = PackWriter(store, "lane-0", 1, 10**6)
    writer.add(wanted("b"), answer(2))
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ShortageError, match="No space left"):
        writer.commit()
    monkeypatch.undo()
    assert store.index().find(wanted("a").key) == before
    assert wanted("b").key not in store.index()
    assert not [path for path in (tmp_path / "packs").iterdir() if ".tmp-" in path.name]


def test_a_pack_says_that_whole_bodies_decided(tmp_path: Path) -> None:
    store = fill(tmp_path, outcomes())
    first, *rest = store.parts(1)
    assert all(decided_by_whole_bodies(store, part) for part in (first, *rest))
    packs(tmp_path)[0].unlink()
    assert [decided_by_whole_bodies(store, part) for part in store.parts(1)].count(False) == 1
    old = packs(tmp_path)[0]
    old.write_bytes(old.read_bytes().replace(b"bodies: whole", b"not: said yet"))
    assert [decided_by_whole_bodies(store, part) for part in store.parts(1)].count(False) == 2


def test_an_error_of_the_parser_is_a_verdict_and_a_shortage_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (OverflowError("too large"), RecursionError(), KeyError("x")):
        monkeypatch.setattr(module, "read_header", mock.Mock(side_effect=error))
        assert inspect(png(1), 1000) == Rejected("malformed_header")
    monkeypatch.setattr(module, "read_header", mock.Mock(side_effect=MemoryError()))
    with pytest.raises(ShortageError):
        inspect(png(1), 1000)


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (png(1), ("png", 9, 9)),
        (b"GIF", Rejected("not_an_image")),
        (png(1)[:20], Rejected("truncated_header")),
        (b"", Rejected("not_an_image")),
    ],
)
def test_each_image_is_judged_by_its_header(data: bytes, verdict: object) -> None:
    assert inspect(data, 1000) == verdict
    if isinstance(verdict, tuple):
        assert inspect(data, 80) == Rejected("too_many_pixels", 81.0, 80.0)
