"""Samples by their places: several data sets, splits, verification, and a fork that opens its own files."""

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from corpusloom.schemas.errors import ConfigError, DamageError
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.foreign.index_tars import index_tars
from corpusloom.trainers.stream.plan import SamplePlace
from corpusloom.trainers.stream.reading.prefetch import NothingToFetch
from corpusloom.trainers.stream.sample_reader import ReaderConfig, SampleReader
from corpusloom.trainers.stream.samples.typed import PairSample
from tests.trainers.stream.datasets import as_version_1, make_dataset, make_pairs


def place(dataset: int, shard: int, row: int) -> SamplePlace:
    return SamplePlace(position=0, dataset=dataset, epoch=0, shard=shard, row=row)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("reader")
    first = make_dataset(folder / "first", "pairs", make_pairs(12), shards=2)
    return first, make_dataset(folder / "second", "pairs", make_pairs(3, start=50), shards=1)


def test_a_place_names_a_data_set_a_shard_and_a_row(paths: tuple[str, str]) -> None:
    reader = SampleReader(ReaderConfig(paths=paths))
    found = {}
    for number, index in enumerate(reader.indexes):
        for shard, count in enumerate(index.counts.tolist()):
            for row in range(count):
                key, members = reader.read(place(number, shard, row))
                assert key == reader.key_of(place(number, shard, row))
                found[key] = members
    assert found == dict([*make_pairs(12), *make_pairs(3, start=50)])
    sample = reader.sample(place(1, 0, 0))
    assert isinstance(sample, PairSample)
    assert sample.text.startswith("picture 5")


def test_rows_count_within_the_split(tmp_path: Path) -> None:
    held_out = sorted(key for key, _ in make_pairs(8))[2:5]
    data = make_dataset(
        tmp_path, "pairs", make_pairs(8), shards=1, split_of=lambda key: "val" if key in held_out else "train"
    )
    reader = SampleReader(ReaderConfig(paths=(data,), split="val"))
    assert [reader.read(place(0, 0, row))[0] for row in range(3)] == held_out
    assert reader.key_of(place(0, 0, 2)) == held_out[2]


def altered(folder: Path) -> tuple[str, int]:
    """Return a dataset of three pairs, one of which has another text than was written, and the number of its row."""
    data = make_dataset(folder, "pairs", make_pairs(3), shards=1)
    tar = folder / "00000.tar"
    tar.write_bytes(tar.read_bytes().replace(b"picture 1", b"painted 1"))
    reader = SampleReader(ReaderConfig(paths=(data,), verify=False))
    (row,) = (row for row in range(3) if reader.read(place(0, 0, row))[1]["txt"] == b"painted 1")
    return data, row


@pytest.mark.parametrize(
    ("verify", "version", "of_sample", "of_raw"),
    [
        (None, 2, "checksum_differs: the bytes of txt", None),
        (True, 2, "hash_differs: txt", "hash_differs: txt"),
        (False, 2, None, None),
        (None, 1, None, None),
        (True, 1, "hash_differs: txt", "hash_differs: txt"),
    ],
)
def test_changed_bytes_are_found(
    tmp_path: Path, verify: bool | None, version: int, of_sample: str | None, of_raw: str | None
) -> None:
    data, row = altered(tmp_path)
    if version == 1:
        as_version_1(data)
    reader = SampleReader(ReaderConfig(paths=(data,), verify=verify))
    for read, expected in ((reader.sample, of_sample), (reader.read, of_raw)):
        for at in range(3):
            refused = pytest.raises(SampleError, match=expected) if at == row and expected else nullcontext()
            with refused:
                read(place(0, 0, at))


def test_a_member_that_no_reader_opens_may_change(tmp_path: Path) -> None:
    made = [(key, {**fields, "cls": b"first"}) for key, fields in make_pairs(1)]
    data = make_dataset(tmp_path, "pairs", made, shards=1)
    tar = tmp_path / "00000.tar"
    tar.write_bytes(tar.read_bytes().replace(b"first", b"other"))
    assert SampleReader(ReaderConfig(paths=(data,))).sample(place(0, 0, 0)).key == made[0][0]


def test_verify_is_refused_for_an_index_without_hashes(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data", "pairs", make_pairs(2), shards=1)
    index_tars([str(tmp_path / "data" / "00000.tar")], str(tmp_path / "index"))
    with pytest.raises(ConfigError, match=r"the index has none \(loom index --hashes adds them\)"):
        SampleReader(ReaderConfig(paths=(str(tmp_path / "index"),), verify=True))
    index_tars([str(tmp_path / "data" / "00000.tar")], str(tmp_path / "index"), hashes=True)
    assert SampleReader(ReaderConfig(paths=(str(tmp_path / "index"),), verify=True)).read(place(0, 0, 0))


def test_a_key_is_known_without_the_tar_and_empty_without_the_sidecar(tmp_path: Path) -> None:
    data = make_dataset(tmp_path, "pairs", make_pairs(3), shards=1)
    (tmp_path / "00000.tar").unlink()
    expected = sorted(key for key, _ in make_pairs(3))
    assert [SampleReader(ReaderConfig(paths=(data,))).key_of(place(0, 0, row)) for row in range(3)] == expected
    (tmp_path / "00000.parquet").unlink()
    assert SampleReader(ReaderConfig(paths=(data,))).key_of(place(0, 0, 0)) == ""


def test_a_sample_that_cannot_be_used_is_named_with_its_data_set(paths: tuple[str, str]) -> None:
    error = SampleReader(ReaderConfig(paths=paths)).damage(place(1, 0, 0), "abc", SampleError("bad_json"))
    assert isinstance(error, DamageError)
    assert "sample abc: bad_json" in str(error)
    assert paths[1] in str(error)


def test_only_a_process_that_was_forked_opens_its_files_anew(
    paths: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = SampleReader(ReaderConfig(paths=paths))
    before = reader.files
    assert not reader.reopen_after_fork()
    assert reader.files is before
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert reader.reopen_after_fork()
    assert reader.files is not before


def test_a_local_tar_has_nothing_to_fetch(paths: tuple[str, str]) -> None:
    assert isinstance(SampleReader(ReaderConfig(paths=paths)).open_remote((0, 0)), NothingToFetch)


def test_block_shards_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="block_shards is 0"):
        ReaderConfig(paths=("x",), block_shards=0)
