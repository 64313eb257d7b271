"""Files appear whole or not at all; errors name the path."""

import os
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


@pytest.mark.parametrize(
    ("path", "local"), [("/a/b", True), ("a", True), ("file:///a", True), ("s3://b/k", False), ("http://h/", False)]
)
def test_local_paths_are_told_apart(path: str, local: bool) -> None:
    assert storage.is_local(path) == local


def test_paths_are_joined_as_urls_are() -> None:
    assert storage.join("s3://b/", "c", "d") == "s3://b/c/d"
    assert storage.join("/", "a") == "/a"
    assert storage.join("a//", "b") == "a/b"
    assert storage.resolve("s3://b", "c.tar") == "s3://b/c.tar"
    assert storage.resolve("/data", "s3://b/c.tar") == "s3://b/c.tar"
    assert storage.resolve("/data", "/other/c.tar") == "/other/c.tar"


def test_a_file_is_hashed_whole(tmp_path: Path) -> None:
    import hashlib

    data = bytes(range(256)) * 8_193  # more than two reads
    (tmp_path / "x").write_bytes(data)
    assert storage.hash_file(str(tmp_path / "x")) == (hashlib.sha256(data).hexdigest(), len(data))


def test_scratch_files_are_written_as_they_go(tmp_path: Path) -> None:
    with storage.open_output(str(tmp_path / "deep" / "x")) as handle:
        handle.write(b"a")
        handle.flush()
        assert (tmp_path / "deep" / "x").read_bytes() == b"a"


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    storage.check_writable(str(tmp_path / "new" / "folder"))
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="a file has the name of the folder"):
        storage.check_writable(str(tmp_path / "file"))
    storage.check_writable("s3://nowhere/at/all")


def test_removing_a_missing_file_is_not_an_error(tmp_path: Path) -> None:
    storage.remove(str(tmp_path / "gone"))
    (tmp_path / "x" / "y").mkdir(parents=True)
    (tmp_path / "x" / "y" / "z").write_bytes(b"")
    storage.remove(str(tmp_path / "x"), recursive=True)
    assert not storage.exists(str(tmp_path / "x"))


def test_files_in_memory_are_a_remote_store() -> None:
    base = "memory://test_storage"
    assert storage.create(f"{base}/claim", b"a")
    assert not storage.create(f"{base}/claim", b"b")
    storage.write_bytes(f"{base}/folder/b.tar", b"22")
    with storage.writing(f"{base}/folder/a.tar") as handle:
        handle.write(b"1")
    assert storage.read_bytes(f"{base}/claim") == b"a"
    assert storage.listing(f"{base}/folder") == ["a.tar", "b.tar"]
    assert storage.expand(f"{base}/folder") == [f"memory://{name}" for name in (
        "/test_storage/folder/a.tar", "/test_storage/folder/b.tar")]  # fmt: skip
    assert storage.size(f"{base}/folder/b.tar") == 2
    with pytest.raises(InputError, match="check the address, your credentials"):
        storage.read_bytes(f"{base}/gone")


def test_a_glob_does_not_match_folders(tmp_path: Path) -> None:
    (tmp_path / "a.d").mkdir()
    (tmp_path / "b.d").write_bytes(b"")
    for pattern in ("*.d", "?.d", "[ab].d"):
        assert storage.expand(str(tmp_path / pattern)) == [str(tmp_path / "b.d")]
    with pytest.raises(InputError, match="no such file"):
        storage.expand(str(tmp_path / "gone"))


NAMES = ("a [2024]", "b #1 100%", "c::d", "e ä☃", "f?x", "g*h", "file:i", "{1,2}", "~j", "k'l\"m", "-n", "[x", "a]b")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("relative", [False, True])
def test_a_path_is_taken_as_it_is_written_if_it_exists(
    tmp_path: Path, name: str, relative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = name if relative else str(tmp_path / name)
    (tmp_path / name).mkdir()
    own, other = storage.join(folder, f"{name}.warc"), str(tmp_path / name / "other.warc")
    for path in (own, other):
        storage.write_bytes(path, b"x")
    assert sorted(os.listdir(tmp_path / name)) == sorted([f"{name}.warc", "other.warc"])
    whole = str(tmp_path / name / f"{name}.warc")
    assert storage.expand(own) == [whole]
    assert storage.expand(folder) == sorted([whole, other])
    assert storage.expand(storage.join(folder, "*.warc")) == sorted([whole, other])
    assert storage.expand(storage.join(folder, "oth?r.[w]arc")) == [other]
    assert storage.read_bytes(own) == b"x"
    assert storage.listing(folder) == sorted([f"{name}.warc", "other.warc"])
    with storage.open_input(own) as handle:
        assert handle.read() == b"x"
    storage.remove(folder, recursive=True)
    assert not storage.exists(folder)


def test_a_glob_goes_below_folders_and_leaves_folders_out(tmp_path: Path) -> None:
    for name in ("x/a.warc", "x/y/b.warc", ".hidden.warc"):
        storage.write_bytes(str(tmp_path / name), b"")
    (tmp_path / "x" / "folder.warc").mkdir()
    paths = [str(tmp_path / name) for name in ("x/a.warc", "x/y/b.warc")]
    assert storage.expand(f"{tmp_path}/**/[a-b].warc") == paths
    assert storage.expand(f"{tmp_path}/x/*.warc") == paths[:1]
    assert storage.expand(f"{tmp_path}/*.warc") == [str(tmp_path / ".hidden.warc")]


def test_a_tilde_is_the_home_folder_unless_a_file_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert storage.filesystem("~/x")[1] == str(tmp_path / "home" / "x")
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "x").touch()
    assert storage.filesystem("~/x")[1] == str(tmp_path / "~" / "x")
    assert storage.filesystem("file:///a/b/")[1] == "/a/b"
    assert storage.filesystem(".")[1] == str(tmp_path)
    assert storage.filesystem("/")[1] == "/"
