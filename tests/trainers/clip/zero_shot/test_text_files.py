"""Lines of text files keep their numbers, and what is no text is refused."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.zero_shot.text_files import numbered_lines


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_keep_their_numbers_past_blank_ones(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes("cat\r\n\n  Bär \n".encode(encoding))
    assert numbered_lines(str(path)) == [(1, "cat"), (3, "Bär")]


def test_a_file_that_is_no_text_or_missing_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(b"\xff\xff\xff")
    with pytest.raises(InputError, match=r"names\.txt: not a text file"):
        numbered_lines(str(path))
    with pytest.raises(InputError, match=r"nowhere\.txt"):
        numbered_lines(str(tmp_path / "nowhere.txt"))
