"""Texts of other programs lose their byte order mark and nothing else."""

import pytest

from corpusloom.schemas.texts import decode_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_text_is_read_with_and_without_a_mark(encoding: str) -> None:
    assert decode_text("a grün ☃ cat\n".encode(encoding)) == "a grün ☃ cat\n"
    assert decode_text("".encode(encoding)) == ""


@pytest.mark.parametrize("data", [b"caf\xe9", b"\xff\xfea", b"\x80"])
def test_bytes_that_are_no_text_raise(data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_text(data)
