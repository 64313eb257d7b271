"""`loom build regions` from TSVs: each pair and each row has an outcome, and the dataset depends on store and TSVs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from corpusloom.pipelines.builds.derived import regions
from corpusloom.pipelines.cli import main
from corpusloom.pipelines.datasets.verify import verify
from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.store import lineage
from corpusloom.schemas import tables
from corpusloom.schemas.errors import ConfigError, LoomError
from corpusloom.schemas.manifest import Manifest, read_manifest
from corpusloom.schemas.records import LedgerRow, SidecarRow
from corpusloom.trainers.stream.dataset import StreamingDataset
from tests.pipelines.datasets.finished import change_manifest, finished_dataset
from tests.pipelines.stages.regions.tsv.tsv_maker import BOTTOM_UP, LXMERT, cells, encode, write

SAMPLES = 8


def pairs_of(folder: Path) -> list[SidecarRow]:
    """Return the rows of the pairs of a folder, in order of their shards."""
    return [
        row
        for shard in read_manifest(str(folder / "data")).shards
        for row in tables.read_records(str(folder / "data" / shard.sidecar.name), SidecarRow)
    ]


def row_of(pair: SidecarRow, boxes: int = 3) -> dict[str, str]:
    assert pair.width
    assert pair.height
    return cells(pair.key, boxes=boxes, width=pair.width, height=pair.height)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with pairs and two TSVs: a good row for 5 pairs, a bad one for 2, none for the last; and more."""
    finished_dataset(tmp_path, samples=SAMPLES)
    pairs = pairs_of(tmp_path)
    (tmp_path / "tsv").mkdir()
    nan = encode(np.full((3, 6), np.nan, np.float32))
    first = [*map(row_of, pairs[:3]), row_of(pairs[3]) | {"features": nan}, row_of(pairs[4]) | {"num_boxes": "4"}]
    second = [row_of(pairs[0]), cells("unknown"), *map(row_of, pairs[5:7])]
    write(tmp_path / "tsv" / "a.tsv", LXMERT, *first)
    write(tmp_path / "tsv" / "b.tsv", LXMERT, *second)
    return tmp_path


def build(folder: Path, out: str = "out", *sets: str, tsv: str = "tsv") -> Manifest:
    assert main.run(arguments(folder, out, *sets, tsv=tsv)) == 0
    return read_manifest(str(folder / out))


def arguments(folder: Path, out: str, *sets: str, tsv: str = "tsv") -> list[str]:
    argv = ["build", "regions", "--from", str(folder / "data"), "--out", str(folder / out), "--quiet"]
    places = ["--work", str(folder / "work"), "--store", str(folder / "store")]
    return [*argv, *places, "--set", f'regions.tsv=["{folder / tsv}"]', "regions.match=key", *sets]


def ledger_of(folder: Path, out: str = "out") -> list[LedgerRow]:
    return list(tables.read_records(str(folder / out / "ledger" / "regions.parquet"), LedgerRow))


def test_each_pair_and_each_row_has_one_outcome(folder: Path) -> None:
    made, pairs = build(folder), pairs_of(folder)
    assert made.samples == 5
    assert list(verify(str(folder / "out"))) == []
    counts = {row.unit: row for row in made.counts}
    assert (counts["pair"].records_in, counts["pair"].kept) == (SAMPLES, 5)
    assert counts["pair"].rejected == {"detector_not_finite": 1, "not_in_tsv": 2}
    assert (counts["tsv_row"].records_in, counts["tsv_row"].kept) == (9, 5)
    assert counts["tsv_row"].rejected == {
        "detector_not_finite": 1, "no_such_pair": 1, "tsv_duplicate_image": 1, "tsv_wrong_boxes_length": 1,
    }  # fmt: skip
    rows = {(row.unit, row.key): row for row in ledger_of(folder)}
    bad = rows["pair", pairs[3].key]
    assert (bad.parent, bad.url) == ("a.tsv:4", pairs[3].url)
    assert rows["tsv_row", "unknown"].url == "b.tsv:2"
    assert rows["tsv_row", "a.tsv:5"].reason == "tsv_wrong_boxes_length"
    assert rows["pair", pairs[7].key].reason == rows["pair", pairs[4].key].reason == "not_in_tsv"


def test_samples_have_the_arrays_of_their_rows_and_the_loader_reads_them(folder: Path) -> None:
    build(folder, "out", "regions.max_boxes=2", "regions.min_boxes=1")
    found = {sample.key: sample for sample in StreamingDataset(str(folder / "out"))}
    assert found.keys() == {pair.key for number, pair in enumerate(pairs_of(folder)) if number in (0, 1, 2, 5, 6)}
    for sample in found.values():
        assert sample.features[:, 0].tolist() == [2, 1]  # the best of three first
        assert sample.class_probs[:, 7].tolist() == [0.75, 0.5]
        assert sample.info["regions"]["detector"].endswith(" min_boxes 1 max_boxes 2")


def test_regions_without_class_probabilities_are_a_dataset_too(folder: Path) -> None:
    pairs = pairs_of(folder)
    write(folder / "plain.tsv", BOTTOM_UP, *map(row_of, pairs))
    assert build(folder, tsv="plain.tsv").samples == SAMPLES
    sample = next(iter(StreamingDataset(str(folder / "out"))))
    assert (sample.features.shape, sample.class_probs.shape) == ((3, 6), (3, 0))


def test_the_order_and_the_folder_of_files_change_nothing(folder: Path) -> None:
    first = build(folder)
    shutil.rmtree(folder / "work")
    shutil.rmtree(folder / "store")
    (folder / "tsv").rename(folder / "moved")
    for name in ("a", "b"):
        (folder / "moved" / f"{name}.tsv").rename(folder / f"{name}.tsv")
    assert build(folder, "again", tsv="*.tsv").digest == first.digest


def test_a_take_down_builds_again_without_the_tsvs(folder: Path) -> None:
    first = build(folder)
    shutil.rmtree(folder / "tsv")
    source = str(folder / "data")
    (made,) = lineage.read(source)
    after = change_manifest(source, config="changed")
    regions.make_anew(source, made, None, after)
    second = read_manifest(str(folder / "out"))
    assert [shard.tar for shard in second.shards] == [shard.tar for shard in first.shards]
    assert json.loads(second.config)["source"] == after.digest
    assert second.counts == first.counts


@pytest.mark.parametrize(
    ("content", "message"),
    [("1\t2\n", "has 2 columns separated by tabs"), ("", "a.tsv: is empty"), (None, "no such file")],
)
def test_a_file_that_is_no_tsv_is_refused_before_any_work(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.tsv").write_text(content)
    with pytest.raises(LoomError, match=message):
        regions.find_source(RegionSettings(tsv=(str(tmp_path / "a.tsv"),)))


def test_two_files_of_one_name_are_refused_and_two_of_the_same_bytes_are_one(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    write(tmp_path / "a.tsv", LXMERT, cells("1"))
    write(tmp_path / "b.tsv", LXMERT, cells("1"))
    settings = RegionSettings(tsv=(str(tmp_path),))
    assert [Path(file.name).name for file in regions.find_source(settings).files] == ["a.tsv"]
    write(tmp_path / "more" / "a.tsv", LXMERT, cells("2"))
    with pytest.raises(ConfigError, match=r"has the name of .*rename one"):
        regions.find_source(settings)
