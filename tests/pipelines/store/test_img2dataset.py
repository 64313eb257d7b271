"""Every row of an img2dataset shard has one outcome, in each of its output formats, damaged or not."""

import json
import tarfile
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusloom.pipelines.store import img2dataset
from corpusloom.pipelines.store.img2dataset import Img2datasetRow, find_shards, list_shards, read_shard
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
        Img2datasetRow(key="0", url="http://a/0", caption="zero", image=b"image"),
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
        Img2datasetRow(key="0", url="http://a/0", caption="zero", image=b"image"),
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
        with pytest.raises(InputError, match="holds no shard of img2dataset"):
            look(str(tmp_path / "gone"))
