"""A folder is told by what lies in it; a dataset leads to its work folder, its crawl and its store."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.explain.sources import sources_of
from corpusloom.pipelines.stages.scrape.scrape_lane import FrontierRow
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.schemas import tables
from corpusloom.schemas.errors import InputError
from tests.pipelines.datasets.finished import finished_dataset
from tests.pipelines.store.store_maker import fill, outcomes


def names(folder: Path) -> list[str]:
    return [type(source).__name__ for source in sources_of(str(folder))]


def crawl(folder: Path) -> Path:
    tables.write_records(str(folder / "frontier" / "lane-00000-00000.parquet"), FrontierRow, [])
    return folder


def work(folder: Path, warc: Path) -> Path:
    values = {"fingerprint": "f", "depends_on": {}, "facts": {"warcs": [{"name": str(warc)}]}}
    (folder / "stages" / "extract-1").mkdir(parents=True)
    (folder / "stages" / "extract-1" / "stage.json").write_text(json.dumps(values))
    return folder


def test_crawl_work_and_store_are_told_apart(tmp_path: Path) -> None:
    crawl(tmp_path / "crawl")
    fill(tmp_path / "store", outcomes())
    made = work(tmp_path / "work", tmp_path / "crawl" / "a.warc.gz")
    assert names(tmp_path / "crawl") == ["Crawl"]
    assert names(tmp_path / "store") == ["Store"]
    assert names(made) == ["StageTables", "Heads", "Crawl"]
    fill(made / "images", outcomes())
    assert names(made) == ["StageTables", "Heads", "Crawl", "Store"]


def test_a_store_with_take_downs_alone_is_a_store(tmp_path: Path) -> None:
    tombstones.write(str(tmp_path), Tombstones(keys=frozenset({"0" * 32})))
    assert names(tmp_path) == ["Store"]


def test_a_dataset_leads_to_all_that_it_was_built_from(tmp_path: Path) -> None:
    dataset = Path(finished_dataset(tmp_path))
    assert names(dataset) == ["Tables", "Samples"]
    made = work(tmp_path / "work", crawl(tmp_path / "crawl") / "a.warc.gz")
    fill(tmp_path / "store", outcomes())
    run = {"build": {"work": str(made), "store": str(tmp_path / "store")}}
    (dataset / "run.json").write_text(json.dumps(run))
    assert names(dataset) == ["Tables", "Samples", "Heads", "Crawl", "Store"]
    (dataset / "run.json").write_text("damaged")
    assert names(dataset) == ["Tables", "Samples"]


def test_an_unfinished_dataset_leads_to_the_work_folder_beside_it(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    work(tmp_path / "out.work", tmp_path / "a.warc.gz")
    assert names(tmp_path / "out") == ["StageTables", "Heads"]


def test_regions_lead_to_their_pairs(tmp_path: Path) -> None:
    pairs, regions = (Path(finished_dataset(tmp_path / name)) for name in ("a", "b"))
    (regions / "run.json").write_text(json.dumps({"source": str(pairs)}))
    assert names(regions) == ["Tables", "Samples"] * 2


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no dataset, crawl, work folder or image store"):
        sources_of(str(tmp_path))


def test_a_damaged_run_json_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = Path(finished_dataset(tmp_path))
    (dataset / "run.json").write_text('{"build": ')
    assert names(dataset) == ["Tables", "Samples"]
    assert "warning: the crawl and the store of the build are unknown: " in capsys.readouterr().err
