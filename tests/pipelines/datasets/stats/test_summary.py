"""A dataset's summary: counts of its manifest, and statistics added up over row groups."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.stats import summary
from corpusloom.pipelines.datasets.stats.aggregate import Aggregate
from corpusloom.pipelines.datasets.stats.statistics import STATISTICS, Total, ValueCounts
from corpusloom.pipelines.datasets.stats.summary import StatsConfig, StatsSummary, figure, reduce_tasks, summarise
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.manifest import read_manifest
from tests.pipelines.datasets.finished import COUNTS, change_manifest, finished_dataset

ALONE = StatsConfig(scheduler="synchronous")


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    return finished_dataset(tmp_path)


def test_the_summary_has_what_the_manifest_says(dataset: str) -> None:
    found, manifest = summarise(dataset, ALONE), read_manifest(dataset)
    assert (found.dataset, found.recipe, found.kind, found.digest) == (dataset, "test", "pairs", manifest.digest)
    assert (found.shards, found.tar_bytes) == (2, sum(shard.tar.bytes for shard in manifest.shards))
    assert found.funnel == COUNTS
    assert found.rejected == {
        "extract/record/http_404": 1,
        "images/image/too_small": 1,
        "images/image/timeout": 1,
    }


def test_the_summary_adds_up_all_shards(dataset: str) -> None:
    found = summarise(dataset, ALONE)
    assert (found.samples, found.totals["images"]) == (12, 12)
    assert found.totals["text_characters"] == sum(len(f"picture {n}") for n in range(12))
    assert found.counts["formats"] == {"jpg": 12}
    assert (found.quantiles["width"]["min"], found.quantiles["height"]["max"]) == (48, 40)
    assert sum(count for _, _, count in found.histograms["width"]) == 12
    assert list(found.quantiles) == list(found.histograms) == sorted(found.quantiles)


def test_threads_and_one_thread_agree(dataset: str) -> None:
    assert summarise(dataset) == summarise(dataset, ALONE)


def test_the_json_has_each_total_and_each_count_as_a_key_of_its_own(dataset: str) -> None:
    values = json.loads(json.dumps(summarise(dataset, ALONE).to_plain()))
    keys = [item.name for item in STATISTICS if isinstance(item, Total | ValueCounts)]
    assert sorted(values) == sorted([
        *keys, "dataset", "digest", "funnel", "histograms", "kind", "quantiles", "recipe", "rejected", "samples",
        "shards", "tar_bytes",
    ])  # fmt: skip
    assert values["formats"] == {"jpg": 12}
    assert values["images"] == 12
    assert values["funnel"][0]["rejected"] == {"http_404": 1}


def test_a_dataset_without_samples_has_an_empty_summary(dataset: str) -> None:
    change_manifest(dataset, shards=(), samples=0)
    found = summarise(dataset, ALONE)
    assert (found.samples, found.shards, found.tar_bytes) == (0, 0, 0)
    assert found.totals == {item.name: 0 for item in STATISTICS if isinstance(item, Total)}
    assert found.counts == {item.name: {} for item in STATISTICS if isinstance(item, ValueCounts)}
    assert found.quantiles == found.histograms == {}


@pytest.mark.parametrize("number", [0, 1, 2, 3, 9, 10])
def test_a_tree_of_tasks_adds_up_every_part(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from dask.delayed import delayed

    monkeypatch.setattr(summary, "FAN_IN", 3)
    tasks = [delayed(Aggregate)(samples=n + 1) for n in range(number)]
    assert reduce_tasks(tasks).compute(scheduler="synchronous").samples == sum(range(number + 1))


def test_the_commonest_values_come_first_and_the_rest_is_cut() -> None:
    from collections import Counter

    from corpusloom.pipelines.datasets.stats.statistics import ValueCounts

    item = ValueCounts(name="x", label="x", columns=(), count=lambda table: Counter(), most=2)
    total = Aggregate(counts={"x": Counter("aabccc")})
    assert list(summary._commonest(item, total).items()) == [("c", 3), ("a", 2)]
    assert summary._commonest(item, Aggregate()) == {}


@pytest.mark.parametrize("scheduler", ["spark", ""])
def test_an_unknown_scheduler_is_a_clear_error(dataset: str, scheduler: str) -> None:
    with pytest.raises(ConfigError, match=r"no scheduler .*use threads, synchronous or tcp"):
        summarise(dataset, StatsConfig(scheduler=scheduler))


def test_a_cluster_that_does_not_answer_is_a_clear_error(dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "CONNECT_SECONDS", 1)
    with pytest.raises(ConfigError, match="no Dask scheduler answers"):
        summarise(dataset, StatsConfig(scheduler="tcp://127.0.0.1:9"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        (0, "0"),
        (12_345_678.0, "12,345,678"),
        (1.99951, "2"),
        (0.06626, "0.06626"),
        (1e300, "1e+300"),
    ],
)
def test_whole_numbers_are_shown_exactly_and_others_with_four_digits(value: float | None, text: str) -> None:
    assert figure(value) == text


def test_a_summary_is_a_value() -> None:
    with pytest.raises(AttributeError):
        StatsSummary.__setattr__(object.__new__(StatsSummary), "samples", 1)
