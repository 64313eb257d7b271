"""WARC and ARC files are told from others by their bytes, then by their names."""

import gzip
from pathlib import Path

import pytest

from corpusloom.pipelines.store.warc.archives import read_archive
from corpusloom.pipelines.store.warc.responses import HtmlResponse
from tests.pipelines.store.warc import test_arc, warc_files

WARC = "warc"
PAGE = ("http://a/1", warc_files.HEAD, b"<p>one")


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz", "a.gz", "a.wet", "a.data", "a.arc", "a.warc.open"])
def test_a_warc_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    warc_files.write(tmp_path / name, PAGE)
    records = read_archive(str(tmp_path / name))
    assert records is not None
    assert [row.body for row in records if isinstance(row, HtmlResponse)] == [b"<p>one"]


@pytest.mark.parametrize("name", ["a.arc", "a.arc.gz", "a.gz", "a.data", "a.warc"])
def test_an_arc_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    test_arc.write(tmp_path / name, *test_arc.RECORDS)
    records = read_archive(str(tmp_path / name))
    assert records is not None
    assert [row.body for row in records if isinstance(row, HtmlResponse)] == [b"<p>one", b"<p>\n\nfour"]


@pytest.mark.parametrize(
    "data", [b"", b"<p>page", b"WARC is a format", gzip.compress(b"<p>page", mtime=0), b"\x1f\x8bbroken"]
)
def test_other_files_are_no_archives(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "page.html").write_bytes(data)
    assert read_archive(str(tmp_path / "page.html")) is None
    for name in ("a.warc.gz", "a.arc.gz"):  # a name promises records, so damage is an outcome
        (tmp_path / name).write_bytes(data)
        assert read_archive(str(tmp_path / name)) is not None
