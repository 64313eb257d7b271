"""The encoding of a list is found from its bytes; what it lacks costs one line."""

from pathlib import Path

import pytest

from corpusloom.pipelines.store.lists import encodings
from corpusloom.pipelines.store.lists.encodings import checked, find_encoding, open_utf8
from corpusloom.schemas.errors import ConfigError, InputError

ASCII = "url,text\nhttp://a.example/1.jpg,a cat\n"
FRENCH = "http://a.example/2.jpg,“une fenêtre” à l’été – 5 €\n"


def write(folder: Path, data: bytes) -> str:
    (folder / "a.csv").write_bytes(data)
    return str(folder / "a.csv")


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (ASCII.encode(), "utf-8"),
        (b"", "utf-8"),
        ((ASCII + FRENCH).encode(), "utf-8"),
        ((ASCII + FRENCH).encode("utf-8-sig"), "utf-8"),
        ((ASCII + FRENCH).encode("utf-16"), "utf-16-le"),
        (ASCII.encode("utf-16-le"), "utf-16-le"),
        (ASCII.encode("utf-16-be"), "utf-16-be"),
        (ASCII.encode("utf-32"), "utf-32-le"),
        ((ASCII + FRENCH).encode("cp1252"), "cp1252"),
        ((ASCII + FRENCH * 40).encode("cp1252"), "cp1252"),
        ((ASCII + FRENCH).encode() + FRENCH.encode("cp1252"), "utf-8"),
        (FRENCH.encode("cp1252") + FRENCH.encode(), "utf-8"),
        (ASCII.encode() + b"http://a/,\xff\xfe\x81 damaged\n", "utf-8"),
        (ASCII.encode() + b"http://a/,nul \x00 here\n", "utf-8"),
    ],
)
def test_the_encoding_is_found(tmp_path: Path, data: bytes, encoding: str) -> None:
    assert find_encoding(write(tmp_path, data)) == encoding


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("красивая кошка", "cp1251"), ("猫の写真です", "shift_jis"), ("美丽的猫", "gbk"), ("żółta łódź", "cp1250"),
     ("όμορφη γάτα", "cp1253")],
)  # fmt: skip
def test_other_encodings_are_refused_with_the_flag_that_names_them(tmp_path: Path, text: str, encoding: str) -> None:
    path = write(tmp_path, (ASCII + f"http://a/,{text}\n" * 20).encode(encoding))
    with pytest.raises(InputError, match=r"line 3 and others are not UTF-8 \(.*--list-encoding"):
        find_encoding(path)
    with open_utf8(path, encoding) as handle:
        assert text in handle.read().decode()


def test_a_list_is_opened_as_utf8_without_its_mark(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-32", "cp1252", "utf-8"):
        with open_utf8(write(tmp_path, (ASCII + FRENCH).encode(encoding))) as handle:
            assert handle.read().decode() == ASCII + FRENCH
    path = write(tmp_path, FRENCH.encode("utf-16"))
    with open_utf8(path, "utf-16-le") as handle:
        assert handle.read().decode() == FRENCH


def test_bytes_that_an_encoding_lacks_are_not_utf8_and_cost_one_line(tmp_path: Path) -> None:
    western = write(tmp_path, (ASCII + FRENCH * 20).encode("cp1252") + b"a\x81\nb\n")
    cut = "one\ntwo\nthree".encode("utf-16")[:-1]
    for path, lost, length in ((western, -2, 24), (write(tmp_path / "..", cut), -1, 3)):
        with open_utf8(path) as handle:
            lines = handle.readlines()
        assert len(lines) == length
        for number, line in enumerate(lines):
            if number == length + lost:
                with pytest.raises(UnicodeDecodeError):
                    line.decode()
            else:
                line.decode()


def test_a_large_list_is_read_in_blocks_that_cut_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "BLOCK", 7)
    for encoding in ("utf-16", "utf-8", "cp1252"):
        with open_utf8(write(tmp_path, (ASCII + FRENCH * 50).encode(encoding))) as handle:
            assert handle.read().decode() == ASCII + FRENCH * 50


@pytest.mark.parametrize("name", ["nonsense", "hex", "rot13"])
def test_a_name_that_is_no_encoding_of_text_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="--list-encoding"):
        checked(name)
