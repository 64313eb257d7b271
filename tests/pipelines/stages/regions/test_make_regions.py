"""A shard of pairs becomes a shard of the same pairs with regions, and a broken image is rejected in the ledger."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.models.detector import BATCH
from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.stages.regions import make_regions
from corpusloom.pipelines.stages.regions.grid import GridRegions
from corpusloom.pipelines.stages.regions.make_regions import (
    RegionsConfig,
    WriteRegions,
    detect_shard,
    make_sample,
    write_shard,
)
from corpusloom.pipelines.stages.regions.outputs import DetectorOutputs
from corpusloom.pipelines.stages.regions.pairs_of_shard import read_pairs
from corpusloom.pipelines.stages.regions.sources import SourceIdentity
from corpusloom.pipelines.store.stages import StoreLagError
from corpusloom.schemas import tables
from corpusloom.schemas.records import LedgerRow, ShardEntry
from tests.pipelines.stages.regions.shard_of_pairs import BROKEN, PAIRS, SIDE, Constant, write_pairs
from tests.pipelines.store.store_maker import png


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ShardEntry]:
    """Return a dataset of one shard of pairs, one of them with a broken image."""
    folder = str(tmp_path_factory.mktemp("pairs"))
    return folder, write_pairs(folder)


def test_a_sample_has_the_members_of_its_pair_and_its_regions(source: tuple[str, ShardEntry]) -> None:
    (item,) = read_pairs(*source, 1)
    made = make_sample(item, GridRegions(Constant(), 36).describe([item])[0], "constant 1")
    assert {name: made.fields[name] for name in ("png", "txt")} == {"png": png(0, SIDE), "txt": b"t"}
    body = json.loads(made.fields["json"])
    assert body["key"] == item.row.key
    regions = body["regions"]
    assert (regions["feature_width"], regions["class_count"], regions["detector"]) == (4, 2, "constant 1")
    assert (regions["image_width"], regions["image_height"], regions["parent"]) == (SIDE, SIDE, item.row.key)
    assert 10 <= regions["count"] <= 36
    assert made.row.members == ()
    assert made.known.keys() == {"png", "txt", "json"}


def config(source: str, folder: Path) -> RegionsConfig:
    """Return the configuration of a stage of regions."""
    return RegionsConfig(
        source=source,
        dataset=str(folder / "out"),
        folder=str(folder / "stage"),
        store=str(folder / "store"),
        finder=SourceIdentity(settings=RegionSettings(), label="d"),
    )


def outputs(folder: Path) -> DetectorOutputs:
    """Return the outputs in the store of a stage."""
    return DetectorOutputs.read(str(folder / "store"), "d")


def test_each_image_is_detected_once_in_full_batches_and_committed_in_parts(
    source: tuple[str, ShardEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_regions, "COMMIT_IMAGES", BATCH)
    model = Constant()
    detect_shard(source[1], config(source[0], tmp_path), GridRegions(model, 36), set())
    assert model.batches == [BATCH - 1, 2]
    assert len(list((tmp_path / "store").rglob("*.parquet"))) == 2
    known = outputs(tmp_path)
    assert {item.sha256 for item in read_pairs(*source, None)} == {
        item.sha256 for item in read_pairs(*source, None) if item.sha256 in known
    }
    detect_shard(source[1], config(source[0], tmp_path), GridRegions(model, 36), known)
    assert model.batches == [BATCH - 1, 2]


def test_a_shard_is_written_from_the_store_and_accounted_for(source: tuple[str, ShardEntry], tmp_path: Path) -> None:
    stage = config(source[0], tmp_path)
    detect_shard(source[1], stage, GridRegions(Constant(), 36), set())
    report = write_shard(source[1], stage, outputs(tmp_path))
    assert report.entry is not None
    assert (report.index, report.entry.samples) == (0, PAIRS - 1)
    (counts,) = report.counts
    assert (counts.unit, counts.records_in, counts.kept, sum(counts.rejected.values())) == ("pair", PAIRS, PAIRS - 1, 1)
    (row,) = tables.read_records(str(tmp_path / "stage" / "ledger" / "00000.parquet"), LedgerRow)
    assert (row.key, row.url) == (f"{BROKEN:032x}", f"http://example.org/{BROKEN}")


def test_a_store_without_an_image_is_an_error_and_writes_no_shard(
    source: tuple[str, ShardEntry], tmp_path: Path
) -> None:
    with pytest.raises(StoreLagError, match="not all written files are listed"):
        write_shard(source[1], config(source[0], tmp_path), outputs(tmp_path))
    assert not (tmp_path / "out" / "00000.tar").exists()


def test_a_shard_is_finished_while_its_files_are_there(source: tuple[str, ShardEntry], tmp_path: Path) -> None:
    work = WriteRegions(config(source[0], tmp_path))
    assert not work.is_finished(source[1])
    detect_shard(source[1], work.config, GridRegions(Constant(), 36), set())
    write_shard(source[1], work.config, outputs(tmp_path))
    assert work.is_finished(source[1])
    (tmp_path / "out" / "00000.tar").unlink()
    assert not work.is_finished(source[1])
