"""Files appear whole or not at all; what is wrong is named."""

from pathlib import Path

import pytest

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = str(tmp_path / "deep" / "file.bin")

    def fail_halfway() -> None:
        with storage.writing(target) as handle:
            handle.write(b"half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert not storage.exists(target)
    assert list((tmp_path / "deep").iterdir()) == []
    with storage.writing(target) as handle:
        handle.write(b"whole")
    assert storage.read_bytes(target) == b"whole"
    assert storage.read_bytes(target, 1, 3) == b"ho"
    assert storage.size(target) == 5


def test_create_lets_only_the_first_win(tmp_path: Path) -> None:
    target = str(tmp_path / "claim")
    assert storage.create(target, b"a")
    assert not storage.create(target, b"b")
    assert storage.read_bytes(target) == b"a"


def test_listing_leaves_out_folders_and_temporary_files(tmp_path: Path) -> None:
    for name in ("b.tar", "a.tar", f"{storage.TEMPORARY}x.tar", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder").mkdir()
    assert storage.listing(str(tmp_path)) == ["a.tar", "b.tar", "c.txt"]
    assert storage.listing(str(tmp_path), ".tar") == ["a.tar", "b.tar"]
    assert storage.listing(str(tmp_path / "nowhere")) == []


def test_expand_takes_files_folders_and_globs(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.warc", "sub/b.warc"):
        (tmp_path / name).write_bytes(b"")
    assert storage.expand(str(tmp_path / "a.warc")) == [str(tmp_path / "a.warc")]
    assert storage.expand(str(tmp_path)) == [str(tmp_path / "a.warc"), str(tmp_path / "sub" / "b.warc")]
    assert storage.expand(str(tmp_path / "*.warc")) == [str(tmp_path / "a.warc")]
    with pytest.raises(InputError, match="no such file"):
        storage.expand(str(tmp_path / "*.nothing"))


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.txt"):
        storage.read_bytes(str(tmp_path / "gone.txt"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="file/below"):
        storage.write_bytes(str(tmp_path / "file" / "below"), b"x")
    with pytest.raises(InputError, match="nosuch"):
        storage.filesystem("nosuch://bucket/x")
