"""A dataset that is written from samples is whole, streams, and is not written twice."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.datasets.write_dataset import write_dataset
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.identity import make_key
from corpusloom.schemas.manifest import read_manifest
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.samples.typed import PairSample

KEYS = sorted(make_key("test", str(number)) for number in range(6))


def read(key: str) -> tuple[str, str, Mapping[str, bytes]] | None:
    """Return a sample of any bytes; the last key has none."""
    return (
        None if key == KEYS[-1] else (f"test/{key}", "a star", {"jpg": key.encode(), "txt": b"a star", "json": b"{}"})
    )


def write(out: Path) -> str:
    """Write the dataset and return its digest."""
    manifest = write_dataset(str(out), KEYS, read, recipe="test", kind="pairs", config={"benchmark": "x"})
    return manifest.digest


def test_the_dataset_is_whole_and_holds_what_could_be_read(tmp_path: Path) -> None:
    done: list[int] = []
    manifest = write_dataset(
        str(tmp_path), KEYS, read, recipe="test", kind="pairs", config={"a": 1}, on_sample=lambda: done.append(1)
    )
    assert (manifest.samples, manifest.kind, len(done)) == (5, "pairs", 6)
    assert list(verify(str(tmp_path), "deep")) == []
    assert read_manifest(str(tmp_path)) == manifest
    samples = list(StreamingDataset(str(tmp_path), on_error="raise"))
    assert {sample.key for sample in samples if isinstance(sample, PairSample)} == set(KEYS[:-1])


def test_what_a_killed_call_left_is_written_anew_with_the_same_digest(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole")
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "00007.tar").write_bytes(b"half a shard")
    assert write(tmp_path / "part") == whole
    assert not (tmp_path / "part" / "00007.tar").exists()


def test_a_finished_dataset_and_a_dataset_without_samples_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ConfigError, match=r"holds a finished dataset.*another --out"):
        write(tmp_path)
    with pytest.raises(InputError, match="no sample can be read"):
        write_dataset(str(tmp_path / "none"), KEYS, lambda _: None, recipe="test", kind="pairs", config={})
