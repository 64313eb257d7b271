"""The end of a WARC: complete, cut off or damaged, however many gzip members there are."""

import gzip
import time
from pathlib import Path

import pytest

from corpusloom.pipelines.store.warc.file_end import MAX_MEMBERS, cut_at_end
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import HtmlResponse, SkippedRecord
from corpusloom.schemas.verdicts import Dead
from tests.pipelines.store.warc.warc_files import HEAD, write

EMPTY = gzip.compress(b"")
RECORD = gzip.compress(b"a record" * 200_000, 0)
RECORDS = b"WARC/1.1\r\nContent-Length: 5\r\n\r\nhello\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "damage"),
    [
        (RECORD, None),
        (RECORD + RECORD, None),
        (RECORD + EMPTY * 3, None),
        (gzip.compress(bytes(50_000_000)), None),
        (gzip.compress(bytes(1 << 20)), None),
        (gzip.compress(bytes(150_000_000), 1)[:-1], None),
        (gzip.compress(bytes(50_000_000))[:-1], "the last gzip member is cut off"),
        (RECORD[:-1], "the last gzip member is cut off"),
        (RECORD[:-9], "the last gzip member is cut off"),
        (RECORD + EMPTY[:4], "the last gzip member is cut off"),
        (RECORD + b"garbage", "Error -3 while decompressing data: incorrect header check"),
        (RECORD + EMPTY * MAX_MEMBERS, f"more than {MAX_MEMBERS} gzip members follow the last record"),
        (RECORDS, None),
        (RECORDS[:-1], "the last record is cut off"),
        (b"", None),
    ],
)
def test_damage_at_the_end_is_named(tmp_path: Path, data: bytes, damage: str | None) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(b"before" + data)
    assert cut_at_end(str(path), 6) == damage


def test_a_million_empty_members_take_time_linear_in_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    write(path, ("http://a/1", HEAD, b"<p>one"))
    path.write_bytes(path.read_bytes() + EMPTY * 1_000_000)
    start = time.process_time()
    page, end = read_warc(str(path))
    assert isinstance(page, HtmlResponse)
    assert isinstance(end, SkippedRecord)
    assert isinstance(end.verdict, Dead)
    assert time.process_time() - start < 5
