"""What a WARC states about its crawler is read from its first record, and only from there."""

import gzip
from pathlib import Path

import pytest

from corpusloom.pipelines.store.warc.warcinfo import MAX_VALUE, read_warcinfo


def warc(path: Path, block: bytes, kind: str = "warcinfo") -> str:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:0>\r\nContent-Length: {len(block)}\r\n\r\n"
    path.write_bytes(gzip.compress(head.encode() + block + b"\r\n\r\n"))
    return str(path)


def test_fields_are_read_with_names_in_lower_case(tmp_path: Path) -> None:
    path = warc(
        tmp_path / "a.warc.gz", b"Software: Nutch 1.6 (CC)\r\nrobots: checked via crawler-commons\r\nempty:\r\nx\r\n"
    )
    assert read_warcinfo(path) == {"software": "Nutch 1.6 (CC)", "robots": "checked via crawler-commons"}


def test_values_cannot_forge_a_card(tmp_path: Path) -> None:
    path = warc(tmp_path / "a.warc.gz", b"software: a\x1b[31m <b>`x`</b>|[y](z)\r\nrobots: " + b"r" * 500)
    found = read_warcinfo(path)
    assert found["software"] == "a31m bx/by(z)"
    assert len(found["robots"]) == MAX_VALUE


@pytest.mark.parametrize("content", [b"", b"no WARC at all", gzip.compress(b"WARC/1.0\r\n", mtime=0)[:-9]])
def test_a_damaged_file_states_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.warc.gz").write_bytes(content)
    assert read_warcinfo(str(tmp_path / "a.warc.gz")) == {}


def test_a_warc_that_begins_with_another_record_states_nothing(tmp_path: Path) -> None:
    assert read_warcinfo(warc(tmp_path / "a.warc.gz", b"software: x\r\n", "response")) == {}
