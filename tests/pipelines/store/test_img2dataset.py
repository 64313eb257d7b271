"""Every row of an img2dataset shard has one outcome, in each of its output formats, damaged or not."""

import json
import tarfile
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusloom.pipelines.store import img2dataset
from corpusloom.pipelines.store.img2dataset import Img2datasetRow, check_columns, find_shards, list_shards, read_shard
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.verdicts import Dead, Rejected

GOOD = {"key": "0", "url": "http://a/0", "caption": "zero", "status": "success", "error_message": None}
FAILED = {"key": "1", "url": "http://a/1", "caption": "one", "status": "failed_to_download", "error_message": "404"}


def write_parquet(folder: Path, *rows: dict[str, object], stem: str = "00000") -> str:
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / f"{stem}.parquet")
    return str(folder / stem)


def write_tar(folder: Path, members: dict[str, bytes], stem: str = "00000") -> str:
    with tarfile.open(folder / f"{stem}.tar", "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, BytesIO(data))
    return str(folder / stem)


def outcomes(stem: str) -> list[tuple[str, bytes | None, Rejected | Dead | None]]:
    return [(row.key, row.image, row.verdict) for row in read_shard(stem)]


def test_images_come_first_and_failures_have_their_reason(tmp_path: Path) -> None:
    stem = write_parquet(tmp_path, FAILED, GOOD)
    write_tar(tmp_path, {"0.jpg": b"image", "0.txt": b"another text", "0.json": b"{}"})
    assert list(read_shard(stem)) == [
        Img2datasetRow(
            key="0", url="http://a/0", caption="another text", image=b"image", differences={"caption_differs": "zero"}
        ),
        Img2datasetRow(key="1", url="http://a/1", caption="one", image=None, verdict=Dead("failed_to_download", "404")),
    ]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"status": "failed_to_resize", "error_message": None}, Dead("failed_to_resize", "")),
        ({"status": "success"}, Dead("image_missing")),
        ({"status": None}, Dead("image_missing")),
        ({"url": None}, Rejected("no_url")),
        ({"url": ""}, Rejected("no_url")),
    ],
)
def test_a_row_without_an_image_says_why(tmp_path: Path, changes: dict[str, object], verdict: Rejected | Dead) -> None:
    stem = write_parquet(tmp_path, GOOD | changes)
    write_tar(tmp_path, {"9.json": json.dumps({"url": "http://a/9"}).encode()})
    assert outcomes(stem)[-1] == ("0", None, verdict)


def test_without_a_row_the_json_speaks(tmp_path: Path) -> None:
    stem = write_parquet(tmp_path, FAILED)
    body = json.dumps({"url": "http://a/7", "caption": "seven"}).encode()
    write_tar(tmp_path, {"7.webp": b"image", "7.json": body, "8.png": b"image", "8.json": b"[]", "8.txt": b"x"})
    seven, eight, one = read_shard(stem)
    assert (seven.url, seven.caption, seven.image) == ("http://a/7", "seven", b"image")
    assert (eight.key, eight.verdict) == ("8", Rejected("no_url"))
    assert one.key == "1"


def test_the_text_member_is_the_caption_where_the_row_has_none(tmp_path: Path) -> None:
    stem = write_parquet(tmp_path, {"key": "0", "url": "http://a/0"})
    write_tar(tmp_path, {"0.jpg": b"image", "0.txt": "grün".encode()})
    assert [row.caption for row in read_shard(stem)] == ["grün"]


def test_a_folder_of_files_is_a_shard_too(tmp_path: Path) -> None:
    stem = write_parquet(tmp_path, GOOD, FAILED)
    (tmp_path / "00000").mkdir()
    (tmp_path / "00000" / "0.jpg").write_bytes(b"image")
    (tmp_path / "00000" / "0.exe").write_bytes(b"never read")
    assert [(key, image) for key, image, _ in outcomes(stem)] == [("0", b"image"), ("1", None)]


def test_images_in_a_column_are_read(tmp_path: Path) -> None:
    stem = write_parquet(tmp_path, GOOD | {"jpg": b"image", "txt": "t"}, FAILED | {"jpg": None, "txt": None})
    assert list(read_shard(stem)) == [
        Img2datasetRow(key="0", url="http://a/0", caption="t", image=b"image", differences={"caption_differs": "zero"}),
        Img2datasetRow(key="1", url="http://a/1", caption="one", image=None, verdict=Dead("failed_to_download", "404")),
    ]


def test_members_that_are_too_large_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(img2dataset, "MAX_IMAGE", 5)
    stem = write_parquet(tmp_path, GOOD, GOOD | {"key": "2"})
    write_tar(tmp_path, {"0.jpg": b"12345", "2.jpg": b"123456"})
    assert outcomes(stem) == [("0", b"12345", None), ("2", None, Dead("image_missing"))]


def test_a_tar_that_was_cut_off_is_one_dead_outcome(tmp_path: Path) -> None:
    stem = write_parquet(tmp_path, GOOD, FAILED | {"status": "success"})
    write_tar(tmp_path, {"0.jpg": b"image", "1.jpg": b"x" * 5_000})
    path = tmp_path / "00000.tar"
    path.write_bytes(path.read_bytes()[:2_500])
    found = outcomes(stem)
    assert found[0] == ("0", b"image", None) or found[0][1] is None
    assert [key for key, _, _ in found][-1] == "00000 damaged"
    assert isinstance(found[-1][2], Dead)
    assert found[-1][2].error == "damaged_shard"
    assert {key for key, _, _ in found} == {"0", "1", "00000 damaged"}


def test_a_parquet_that_cannot_be_read_is_one_dead_outcome(tmp_path: Path) -> None:
    (tmp_path / "00000.parquet").write_bytes(b"nonsense")
    write_tar(tmp_path, {"0.jpg": b"image", "0.json": json.dumps({"url": "http://a/0"}).encode()})
    first, last = read_shard(str(tmp_path / "00000"))
    assert (first.url, first.image) == ("http://a/0", b"image")
    assert isinstance(last.verdict, Dead)
    assert last.verdict.error == "damaged_shard"


def test_shards_are_found_by_their_names(tmp_path: Path) -> None:
    for name in ("00000.parquet", "00000.tar", "00001.tar", "00001_stats.json", "x.tar", "1234567890123.tar"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "00000").mkdir()
    (tmp_path / "00000" / "00007.tar").write_bytes(b"inside a shard")
    assert list_shards(str(tmp_path)) == [str(tmp_path / "00000"), str(tmp_path / "00001")]
    found = find_shards(str(tmp_path))
    assert {entry.name for entry in found} == set(list_shards(str(tmp_path)))
    assert [entry.sha256 for entry in found] == sorted(entry.sha256 for entry in found)
    (first,) = (entry for entry in found if entry.name.endswith("00000"))
    assert first.bytes == len("00000.parquet") + len("00000.tar") + len("inside a shard")
    (tmp_path / "00000" / "00007.tar").write_bytes(b"INSIDE A SHARD")
    assert first.sha256 not in {entry.sha256 for entry in find_shards(str(tmp_path))}


def test_a_folder_without_shards_is_refused(tmp_path: Path) -> None:
    for look in (list_shards, find_shards):
        with pytest.raises(InputError, match="holds no shard of img2dataset"):
            look(str(tmp_path))
        with pytest.raises(InputError, match="gone: no such folder"):
            look(str(tmp_path / "gone"))


def members_of(number: int, text: bytes | None, **info: str) -> dict[str, bytes]:
    members = {f"{number}.jpg": b"image", f"{number}.json": json.dumps(info).encode()}
    return members | ({} if text is None else {f"{number}.txt": text})


@pytest.mark.parametrize("layout", ["tar", "folder", "apart"])
def test_text_and_url_beside_an_image_come_before_those_of_the_parquet(tmp_path: Path, layout: str) -> None:
    rows = [GOOD | {"key": str(n), "url": f"http://a/{n}", "caption": f"old {n}"} for n in range(6)]
    stem = write_parquet(tmp_path, *rows)
    members = {
        **members_of(0, b"new 0", url="http://a/0", caption="json"),
        **members_of(1, b" old  1\n", url="http://b/1"),
        **members_of(2, b"", caption="json 2"),
        **members_of(3, b""),
        **members_of(4, "\ufeffnew 4".encode()),
        **members_of(5, b"caf\xe9"),
    }
    if layout == "folder":
        (tmp_path / "00000").mkdir()
        for name, data in members.items():
            (tmp_path / "00000" / name).write_bytes(data)
    else:
        by_extension = sorted(members, key=lambda name: name[::-1]) if layout == "apart" else members
        write_tar(tmp_path, {name: members[name] for name in by_extension})
    found = {row.key: row for row in read_shard(stem)}
    assert {key: (row.url, row.caption, row.differences) for key, row in found.items()} == {
        "0": ("http://a/0", "new 0", {"caption_differs": "old 0"}),
        "1": ("http://b/1", " old  1\n", {"url_differs": "http://a/1"}),
        "2": ("http://a/2", "json 2", {"caption_differs": "old 2"}),
        "3": ("http://a/3", "old 3", {}),
        "4": ("http://a/4", "new 4", {"caption_differs": "old 4"}),
        "5": ("http://a/5", "old 5", {}),
    }
    assert [key for key, row in found.items() if row.verdict] == ["5"]
    assert found["5"].verdict == Rejected("bad_text")


def test_a_text_that_was_appended_later_replaces_the_first(tmp_path: Path) -> None:
    stem = write_parquet(tmp_path, GOOD, GOOD | {"key": "2"})
    write_tar(tmp_path, {"0.jpg": b"image", "0.txt": b"zero", "2.jpg": b"image"})
    with tarfile.open(tmp_path / "00000.tar", "a") as tar:
        info = tarfile.TarInfo("0.txt")
        info.size = 3
        tar.addfile(info, BytesIO(b"new"))
    assert [(row.key, row.caption) for row in read_shard(stem)] == [("0", "new"), ("2", "zero")]


@pytest.mark.parametrize("folder", ["./", "00000/", "./v1.0/"])
def test_a_tar_that_was_packed_again_has_folders_in_its_names(tmp_path: Path, folder: str) -> None:
    stem = write_parquet(tmp_path, GOOD)
    write_tar(tmp_path, {f"{folder}._0.jpg": b"junk", f"{folder}0.jpg": b"image", f"{folder}0.txt": b"new"})
    assert [(row.key, row.caption, row.image) for row in read_shard(stem)] == [("0", "new", b"image")]


def test_a_key_that_two_rows_have_loses_no_row(tmp_path: Path) -> None:
    stem = write_parquet(tmp_path, GOOD, GOOD | {"url": "http://a/again"})
    write_tar(tmp_path, {"0.jpg": b"image", "0.txt": b"zero"})
    assert [(row.url, row.verdict) for row in read_shard(stem)] == [
        ("http://a/0", None), ("http://a/again", Dead("image_missing")),
    ]  # fmt: skip


def test_lone_surrogates_and_names_that_are_not_utf8_do_no_harm(tmp_path: Path) -> None:
    body = b'{"url": "http://a/\\ud800", "caption": "x\\udfff"}'
    with tarfile.open(tmp_path / "00000.tar", "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as tar:
        for name, data in (("\xe9.jpg", b"image"), ("\xe9.json", body)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, BytesIO(data))
    (row,) = (row for row in read_shard(str(tmp_path / "00000")) if row.verdict is None)
    assert (row.key, row.url, row.caption) == (r"\xe9", "http://a/?", "x?")


def test_columns_of_the_first_whole_shard_must_be_text(tmp_path: Path) -> None:
    (tmp_path / "00000.parquet").write_bytes(b"of a killed run")
    write_parquet(tmp_path, GOOD, stem="00001")
    check_columns(str(tmp_path))
    write_parquet(tmp_path, GOOD | {"caption": ["a", "b"]}, stem="00001")
    with pytest.raises(InputError, match=r"00001\.parquet: column 'caption' holds lists"):
        check_columns(str(tmp_path))
