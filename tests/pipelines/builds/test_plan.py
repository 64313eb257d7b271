"""A build reuses stages by their names: each test changes one setting and checks which names change."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.builds import plan
from corpusloom.pipelines.builds.plan import Planner, check_finished, is_whole, statuses
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.store.lists.list_config import PairListConfig
from corpusloom.pipelines.store.stages import Stage, StageReport, commit
from corpusloom.schemas import arrow, identity, storage, tables
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import FileEntry, Head, StageCounts
from tests.pipelines.builds.test_promises import config
from tests.pipelines.datasets.finished import finished_dataset
from tests.pipelines.store.store_maker import fill, outcomes

INPUTS = [FileEntry(name=f"{name}.warc", sha256=name * 64, bytes=1) for name in "ab"]
COUNTS = (
    StageCounts(stage="extract", unit="record", records_in=3, kept=3),
    StageCounts(stage="extract", unit="pair", records_in=2, kept=2),
)


def planner(folder: Path, *overrides: str, name: str = "align", **changes: Any) -> Planner:
    """Return the planner of a build."""
    return Planner(config(folder, load_recipe(name, overrides), **changes))


def write_reports(made: Planner, *inputs: FileEntry, kept: int = 2) -> None:
    """Mark inputs as extracted, each with some pairs."""
    counts = (COUNTS[0], dataclasses.replace(COUNTS[1], records_in=kept, kept=kept))
    for sha256 in made.unit_hashes(list(inputs)):
        path = made.warc_folder.path("done", f"{sha256[:16]}.json")
        storage.write_bytes(path, json.dumps(arrow.to_plain(counts)).encode())


def test_only_settings_of_the_inputs_in_use_are_read_settings(tmp_path: Path) -> None:
    columns = PairListConfig(url_column="u")
    assert planner(tmp_path).read().keys() == {"recipe", "limit"}
    assert planner(tmp_path, columns=columns).read() == planner(tmp_path).read()
    assert planner(tmp_path, lists=("a.csv",), columns=columns).read()["columns"]["url_column"] == "u"
    assert planner(tmp_path, from_img2dataset=("x",)).read()["store"] == str(tmp_path / "store")
    assert planner(tmp_path, limit=3).read()["limit"] == 3
    assert {"digests", "revisits"} <= planner(tmp_path, verify_digests=True, resolve_revisits=True).read().keys()


def test_the_folder_of_fragments_names_read_settings_first_and_measure_settings_second(tmp_path: Path) -> None:
    def halves(made: Planner) -> tuple[str, str]:
        name = made.warc_folder.folder.rpartition("-")[2]
        return name[:16], name[16:]

    read, measured = halves(planner(tmp_path))
    assert len(read) == len(measured) == 16
    assert halves(planner(tmp_path, limit=9))[1] == measured
    assert halves(planner(tmp_path, limit=9))[0] != read
    other = halves(planner(tmp_path, "filters.language.languages=['de']"))
    assert (other[0] == read, other[1] == measured) == (True, False)
    assert halves(planner(tmp_path, workers=7, passes=3)) == (read, measured)


def test_earlier_folders_have_the_same_read_settings_and_are_not_the_own_one(tmp_path: Path) -> None:
    made, other = planner(tmp_path), planner(tmp_path, "filters.language.languages=['de']")
    for each in (made, other, planner(tmp_path, limit=9)):
        storage.write_bytes(each.warc_folder.path("done", "x.json"), b"[]")
    assert made.earlier_folders() == (other.warc_folder.folder,)
    assert other.earlier_folders() == (made.warc_folder.folder,)


def test_fragments_are_named_from_reports_and_not_from_a_listing(tmp_path: Path) -> None:
    made = planner(tmp_path)
    write_reports(made, *INPUTS, kept=4_097)
    names = [Path(path).name for path in made.fragments(INPUTS, "records")]
    assert names == [f"{name * 16}-{part:04d}.parquet" for name in "ab" for part in (0, 1)]
    assert [Path(path).name for path in made.fragments(INPUTS, "ledger")] == [f"{n * 16}.parquet" for n in "ab"]
    assert made.fragments(INPUTS, "images") == []
    storage.write_bytes(made.warc_folder.path("images", f"{'b' * 16}.parquet"), b"")
    assert [Path(path).name for path in made.fragments(INPUTS, "images")] == [f"{'b' * 16}.parquet"]


def test_finished_counts_the_inputs_of_this_build_alone(tmp_path: Path) -> None:
    made = planner(tmp_path)
    assert made.finished(INPUTS) == 0
    write_reports(made, INPUTS[0], FileEntry(name="c.warc", sha256="c" * 64, bytes=1))
    assert made.finished(INPUTS) == 1


@pytest.mark.parametrize(
    ("asked", "kept", "shards"), [(None, 0, 1), (None, 10_000, 1), (None, 10_001, 2), (None, 20_001, 4), (8, 1, 8)]
)
def test_shards_hold_at_most_ten_thousand_records_by_default(
    tmp_path: Path, asked: int | None, kept: int, shards: int
) -> None:
    counts = (StageCounts(stage="select", unit="pair", records_in=kept, kept=kept),)
    selected = StageReport(name="select", counts=counts, facts={})
    assert planner(tmp_path, shards=asked).shard_count(selected) == shards


def test_a_label_of_a_step_does_not_shape_decisions_and_a_threshold_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = planner(tmp_path)
    extract = made.plan_extract(INPUTS)
    before = made.plan_select(extract)
    assert planner(tmp_path, "filters.language.min_score=0.9").plan_select(extract) != before
    steps = plan.kind_of(made.recipe).steps(made.recipe)
    relabelled = [dataclasses.replace(step, label=f"{step.label} again") for step in steps]
    changed = dataclasses.replace(plan.kind_of(made.recipe), steps=lambda _: tuple(relabelled))
    monkeypatch.setattr(plan, "kind_of", lambda _: changed)
    assert made.plan_select(extract) == before


def test_the_shards_stage_depends_on_outcomes_number_and_folder(tmp_path: Path) -> None:
    made = planner(tmp_path)
    select = made.plan_select(made.plan_extract(INPUTS))
    before = made.plan_shards(select, ["http://example.org/a"], 4)
    assert made.plan_shards(select, ["http://example.org/a"], 8) != before
    assert planner(tmp_path, out=str(tmp_path / "other")).plan_shards(select, ["http://example.org/a"], 4) != before
    assert planner(tmp_path, workers=5).plan_shards(select, ["http://example.org/a"], 4) == before
    fill(tmp_path / "store", outcomes()[:1])
    assert made.plan_shards(select, ["http://example.org/a"], 4) != before
    assert made.plan_shards(select, ["http://example.org/never"], 4) != before


def test_inputs_and_pages_of_an_earlier_build_exclude_each_other(tmp_path: Path) -> None:
    for inputs in ({"warcs": ("a.warc",)}, {"lists": ("a.csv",)}, {"from_img2dataset": ("x",)}):
        with pytest.raises(ConfigError, match="both inputs and --from pages are given"):
            planner(tmp_path, from_pages=True, **inputs).planned_pages()


def test_pages_of_an_earlier_build_are_found_under_other_thresholds(tmp_path: Path) -> None:
    first = planner(tmp_path)
    extract = first.plan_extract(INPUTS)
    commit(extract, COUNTS, warcs=arrow.to_plain(INPUTS))
    again = planner(tmp_path, "filters.language.min_score=0.9", from_pages=True)
    assert again.planned_pages() == (extract, INPUTS)
    measured = planner(tmp_path, "filters.language.languages=['de']", from_pages=True)
    stage, inputs = measured.planned_pages()
    assert (stage.done, inputs) == (False, INPUTS)


def test_a_dataset_is_whole_only_with_its_own_digest(tmp_path: Path) -> None:
    made = finished_dataset(tmp_path)
    digest = read_manifest(made).digest
    assert is_whole(made, digest)
    assert not is_whole(made, "x")
    Path(made, "manifest.json").unlink()
    assert not is_whole(made, digest)


def finish_select(stage: Stage, *names: str) -> None:
    """Commit a select stage that kept a pair per name."""
    heads = [
        Head(unit="pair", key=identity.pair_key(f"http://example.org/{name}", "t"), parent="p", url="",
             images=(f"http://example.org/{name}",))
        for name in names
    ]  # fmt: skip
    tables.write_records(stage.path("decisions", "part-0.parquet"), Head, heads, sort_by=("key", "parent"))
    commit(stage, (StageCounts(stage="select", unit="pair", records_in=len(names), kept=len(names)),))


def test_each_stage_says_why_it_runs_until_all_before_it_are_finished(tmp_path: Path) -> None:
    made = planner(tmp_path)
    extract = made.plan_extract(INPUTS)
    write_reports(made, INPUTS[0])
    told = dict(statuses(made, extract, INPUTS))
    assert list(told) == ["extract", "select", "images", "shards"]
    assert told["extract"] == "runs: 1 of 2 WARCs are new"
    assert told["select"].startswith("runs: no decisions")
    assert (told["images"], told["shards"]) == ("known once select has run", "known once images has run")
    with pytest.raises(InputError, match="stage extract is not finished: runs: 1 of 2"):
        check_finished(made, extract, INPUTS)
    commit(extract, COUNTS, warcs=arrow.to_plain(INPUTS))
    assert dict(statuses(made, extract, INPUTS))["extract"] == "runs: 1 of 2 WARCs are new"
    write_reports(made, *INPUTS)
    finish_select(made.plan_select(extract), "a", "missing")
    fill(tmp_path / "store", outcomes()[:1])
    told = dict(statuses(made, extract, INPUTS))
    assert (told["extract"], told["select"]) == ("reused", "reused")
    assert told["images"] == "fetches 1 of 2 URLs"
    with pytest.raises(InputError, match="stage images is not finished"):
        check_finished(made, extract, INPUTS)
    fill(tmp_path / "store", [("missing", outcomes()[3][1])])
    told = dict(statuses(made, extract, INPUTS))
    assert (told["images"], told["shards"]) == ("reused", "runs: no finished dataset of these inputs")
    check_finished(made, extract, INPUTS)
