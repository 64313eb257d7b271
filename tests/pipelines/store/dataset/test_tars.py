"""Tars are byte for byte what webdataset writes, and every offset points at its member."""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.pipelines.store.dataset import tars

samples = st.lists(
    st.tuples(
        st.text("0123456789abcdef", min_size=32, max_size=32),
        st.dictionaries(
            st.sampled_from(("jpg", "json", "txt", "000.png", "001.webp", "regions.npz")),
            st.binary(max_size=2000),
            min_size=1,
        ),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda pair: pair[0],
)


@settings(deadline=None, max_examples=40)
@given(samples)
def test_the_bytes_are_those_of_webdataset(tmp_path_factory: object, pairs: list[tuple[str, dict[str, bytes]]]) -> None:
    folder: Path = tmp_path_factory.mktemp("tar")  # type: ignore[attr-defined]
    written = tars.write_shard(str(folder / "ours.tar"), pairs)
    with webdataset.TarWriter(str(folder / "theirs.tar"), mtime=0, encoder=False) as writer:
        for key, fields in pairs:
            writer.write({"__key__": key, **fields})
    ours = (folder / "ours.tar").read_bytes()
    assert ours == (folder / "theirs.tar").read_bytes()
    assert written.sha256 == hashlib.sha256(ours).hexdigest()
    assert written.bytes == len(ours)
    for (key, fields), (written_key, places) in zip(pairs, written.samples, strict=True):
        assert key == written_key
        for field, offset, size, sha256, crc32c in places:
            assert ours[offset : offset + size] == fields[field]
            assert sha256 == hashlib.sha256(fields[field]).hexdigest()
            assert crc32c == google_crc32c.value(fields[field])


@settings(deadline=None, max_examples=20)
@given(samples)
def test_webdataset_reads_each_sample_back(tmp_path_factory: object, pairs: list[tuple[str, dict[str, bytes]]]) -> None:
    path = tmp_path_factory.mktemp("tar") / "ours.tar"  # type: ignore[attr-defined]
    tars.write_shard(str(path), pairs)
    read = [
        (sample["__key__"], {field: data for field, data in sample.items() if not field.startswith("__")})
        for sample in webdataset.WebDataset(str(path), shardshuffle=False)
    ]
    assert read == pairs


def test_long_and_odd_names_still_read(tmp_path: Path) -> None:
    key = "k" * 120
    tars.write_shard(str(tmp_path / "a.tar"), [(key, {"txt": b"x"})])
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "a.tar").read_bytes())) as tar:
        assert tar.getnames() == [f"{key}.txt"]


def test_no_sample_writes_nothing(tmp_path: Path) -> None:
    assert tars.write_shard(str(tmp_path / "a.tar"), []).samples == ()
    assert not (tmp_path / "a.tar").exists()


@pytest.mark.parametrize("name", ["a" * 95 + ".json", "a" * 96 + ".json", "ü.txt"])
def test_a_long_name_has_the_header_of_tarfile(tmp_path: Path, name: str) -> None:
    key, _, field = name.rpartition(".")
    tars.write_shard(str(tmp_path / "x.tar"), [(key, {field: b"data"})])
    with tarfile.open(tmp_path / "x.tar") as tar:
        (member,) = tar.getmembers()
        assert (member.name, member.size, member.mode, member.uname, member.mtime) == (name, 4, 0o444, "bigdata", 0)
    assert len(tars.header(name, 4)) == (512 if len(name) <= 100 and name.isascii() else 512 * 3)


@pytest.mark.parametrize(("size", "blocks"), [((1 << 33) - 1, 1), (1 << 33, 3)])
def test_a_size_of_eight_gibibytes_needs_a_longer_header(size: int, blocks: int) -> None:
    data = tars.header("a.bin", size)
    assert len(data) == 512 * blocks
    assert tarfile.TarInfo.frombuf(data[:512], "utf-8", "strict").name.endswith(
        "a.bin" if blocks == 1 else "@PaxHeader"
    )


def test_no_sample_is_no_file(tmp_path: Path) -> None:
    assert tars.write_shard(str(tmp_path / "x.tar"), []) == tars.WrittenShard("", 0, ())
    assert list(tmp_path.iterdir()) == []


def test_each_sample_is_reported_before_the_next_is_read(tmp_path: Path) -> None:
    told: list[str] = []

    def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
        for n in range(3):
            assert told == [f"{m:032x}" for m in range(n)]
            yield f"{n:032x}", {"b.txt": b"2", "a.txt": b"1"}

    written = tars.write_shard(str(tmp_path / "x.tar"), samples(), lambda key, places: told.append(key))
    assert len(told) == 3
    assert [place[0] for place in written.samples[0][1]] == ["a.txt", "b.txt"]


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 10 * 1024 - 1536, 3 << 20])
def test_a_tar_ends_with_two_blocks_and_a_whole_record(tmp_path: Path, size: int) -> None:
    written = tars.write_shard(str(tmp_path / "x.tar"), [("k", {"bin": b"x" * size})])
    data = (tmp_path / "x.tar").read_bytes()
    assert len(data) % 10_240 == 0
    assert data.endswith(bytes(1024))
    assert (len(data), hashlib.sha256(data).hexdigest()) == (written.bytes, written.sha256)


def test_a_sample_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def samples() -> Iterator[tuple[str, dict[str, bytes]]]:
        yield "a", {"bin": b"x" * (2 << 20)}
        raise RuntimeError("failed")

    with pytest.raises(RuntimeError, match="failed"):
        tars.write_shard(str(tmp_path / "x.tar"), samples())
    assert list(tmp_path.iterdir()) == []
