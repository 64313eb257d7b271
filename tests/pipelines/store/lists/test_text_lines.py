"""Lines of a list: their ends, and lines that cannot be read."""

import io

import pytest

from corpusloom.pipelines.store.lists.text_lines import MAX_LINE, read_lines


def lines_of(data: bytes) -> list[str | None]:
    return list(read_lines(io.BufferedReader(io.BytesIO(data))))  # type: ignore[arg-type]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_as_the_first_one_does(end: bytes) -> None:
    assert [line and line.strip() for line in lines_of(end.join([b"a", b"b", b""]))] == ["a", "b"]


def test_a_line_that_is_too_long_or_not_utf_8_is_none_and_the_next_is_read() -> None:
    long = b"x" * (2 * MAX_LINE + 5)
    assert lines_of(b"a\n" + long + b"\n\xff\n\xc3\xa9\n") == ["a\n", None, None, "é\n"]
