"""A plain or gzip file as one stream of bytes, with the offsets of its gzip members."""

import gzip
import io
import time
import zlib

import pytest

from corpusloom.pipelines.store.warc import members
from corpusloom.pipelines.store.warc.members import Members

PARTS = [b"one\nline\n\n", b"\n\ntwo\n", b"three without an end"]
FILES = {
    "plain": b"".join(PARTS),
    "members": b"".join(map(gzip.compress, PARTS)),
    "one member": gzip.compress(b"".join(PARTS)),
    "zeros between": b"\0\0\0".join(map(gzip.compress, PARTS)) + bytes(512),
    "empty members": gzip.compress(b"").join(map(gzip.compress, PARTS)) + gzip.compress(b""),
}


def stream(data: bytes) -> Members:
    return Members(io.BytesIO(data))


@pytest.fixture(params=[1, 7, 1 << 13])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Read the file in chunks of a size, and decompress as many bytes at once."""
    monkeypatch.setattr(members, "CHUNK", max(request.param, 2))
    monkeypatch.setattr(members, "STEP", request.param)
    return int(request.param)


@pytest.mark.parametrize("name", FILES)
def test_bytes_are_those_of_gzip(name: str, chunk: int) -> None:
    assert stream(FILES[name]).read(1 << 20) == b"".join(PARTS)
    found = stream(FILES[name])
    assert found.skip(4) == 4
    assert found.read(5) == b"line\n"
    assert (found.skip(1 << 20), found.more(), found.read(9)) == (len(b"".join(PARTS)) - 9, False, b"")


@pytest.mark.parametrize(("name", "offsets"), [
    ("plain", [0, 4, 12, 16]), ("members", [0, None, 1, 2]), ("one member", [0, None, None, None]),
])  # fmt: skip
def test_lines_have_offsets_where_a_reader_can_begin(name: str, offsets: list[int | None], chunk: int) -> None:
    found, starts = stream(FILES[name]), [0]
    for part in PARTS:
        starts.append(starts[-1] + len(gzip.compress(part)))
    lines = [found.next_line(100) for _ in range(4)]
    assert [line for line, _ in lines] == [b"one\n", b"line\n", b"two\n", b"three without an end"]
    expected = [starts[at] if name == "members" and at else at for at in offsets if at is not None]
    assert [offset for _, offset in lines if offset is not None] == expected
    assert found.next_line(100) == (b"", None)
    for line, offset in lines:
        if offset is not None:
            handle = io.BytesIO(FILES[name])
            handle.seek(offset)
            assert Members(handle).next_line(100)[0] == line


def test_reading_may_stop_at_the_end_of_a_member(chunk: int) -> None:
    found = stream(FILES["members"])
    assert found.read(100, within_member=True) == b"" or chunk
    assert found.readline(100) in (b"one\n", b"\n")


def test_a_line_is_peeked_and_bytes_are_put_back(chunk: int) -> None:
    found = stream(FILES["members"])
    assert found.readline(100) == b"one\n"
    assert (found.peek_line(100), found.readline(100)) == (b"line\n", b"line\n")
    assert found.peek_line(100) == b""  # the rest of the member is blank
    assert found.readline(100, within_member=True) == b"\n"
    assert found.read(100, within_member=True) == b""
    assert found.next_line(100) == (b"two\n", len(gzip.compress(PARTS[0])))
    found.unread(b"two\n")
    assert found.read(6) == b"two\nth"


def test_a_line_is_cut_at_the_limit() -> None:
    found = stream(FILES["plain"])
    assert [found.readline(3), found.readline(3), found.readline(3)] == [b"one", b"\n", b"lin"]


@pytest.mark.parametrize("cut", [1, 8, 9, 12])
def test_a_cut_member_is_an_error(cut: int) -> None:
    with pytest.raises(EOFError, match="cut off"):
        stream(FILES["members"][:-cut]).read(1 << 20)


def test_bytes_that_are_no_gzip_after_a_member_are_an_error() -> None:
    with pytest.raises(zlib.error):
        stream(FILES["members"] + b"more").read(1 << 20)


def test_a_million_empty_members_take_linear_time() -> None:
    data = gzip.compress(b"x") + gzip.compress(b"") * 300_000
    start = time.process_time()
    assert stream(data).read(10) == b"x"
    assert time.process_time() - start < 8
