"""Tars that others made: indexed by their headers, then streamed like ours."""

import tarfile
from pathlib import Path

import pytest
import webdataset

from schemas.errors import DamageError, InputError
from tests.trainers.stream.datasets import make_image
from trainers.stream import StreamingDataset
from trainers.stream.bench import bench, bound_by
from trainers.stream.foreign import guess_kind, index_tars


def foreign(folder: Path, shards: int = 3, extension: str = "jpeg") -> list[str]:
    folder.mkdir()
    tars = []
    for shard in range(shards):
        tars.append(str(folder / f"part-{shard}.tar"))
        with webdataset.TarWriter(tars[-1], encoder=False) as writer:
            for number in range(7):
                key = f"{'long/' * 30 if number == 3 else ''}s{shard}_{number}"
                writer.write({"__key__": key, extension: make_image(number), "txt": key.encode(), "pickle": b"no"})
    return tars


def test_tars_of_webdataset_are_indexed_and_streamed(tmp_path: Path) -> None:
    tars = foreign(tmp_path / "tars")
    before = [Path(tar).read_bytes() for tar in tars]
    found = index_tars(tars, str(tmp_path / "index"))
    assert (found.samples, found.shards, found.kind, found.ignored) == (21, 3, "pairs", {"pickle": 21})
    stream = StreamingDataset(str(tmp_path / "index"), 0, 0, 1, on_error="raise")
    samples = list(stream)
    assert {sample.text for sample in samples} == {sample.key for sample in samples}
    assert len(samples) == 21
    assert [Path(tar).read_bytes() for tar in tars] == before


def test_a_repeated_key_and_a_broken_tar_are_errors(tmp_path: Path) -> None:
    tars = foreign(tmp_path / "tars", shards=1)
    with pytest.raises(InputError, match="occurs twice"):
        index_tars(tars * 2, str(tmp_path / "index"))
    (tmp_path / "bad.tar").write_bytes(b"x" * 2048)
    with pytest.raises(DamageError, match=r"bad\.tar"):
        index_tars([str(tmp_path / "bad.tar")], str(tmp_path / "index"))
    tarfile.open(tmp_path / "empty.tar", "w").close()
    with pytest.raises(InputError, match="no samples"):
        index_tars([str(tmp_path / "empty.tar")], str(tmp_path / "index"))
    assert not (tmp_path / "index" / "manifest.json").exists()


def test_kinds_by_their_fields() -> None:
    assert guess_kind(["jpg", "txt", "json"]) == "pairs"
    assert guess_kind(["000.jpg", "txt"]) == "clips"
    assert guess_kind(["000.jpg", "json"]) == "interleaved"
    assert guess_kind(["jpg", "txt", "regions.npz"]) == "regions"
    with pytest.raises(InputError):
        guess_kind(["jpg"])


def test_bench_measures_every_stage(tmp_path: Path) -> None:
    index_tars(foreign(tmp_path / "tars"), str(tmp_path / "index"))
    stages = bench(str(tmp_path / "index"), samples=20, batch_size=4, workers=1)
    assert [stage.stage for stage in stages] == ["read", "parse", "decode", "batches, 1 workers"]
    assert all(stage.samples == 20 and stage.samples_per_second > 0 for stage in stages)
    assert bound_by(stages) in ("read", "parse", "decode", "collate")
