"""Aggregates of parts add up to the aggregate of the whole, for every statistic of the table."""

from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.pipelines.datasets.stats.aggregate import Aggregate, of_row_group, of_rows
from corpusloom.pipelines.datasets.stats.statistics import STATISTICS, Distribution, Total, ValueCounts
from corpusloom.schemas import tables
from corpusloom.schemas.records import SidecarRow
from tests.pipelines.datasets.stats.rows import row, table


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 30), st.integers(0, 30))
def test_two_parts_add_up_to_the_whole(count: int, cut: int) -> None:
    numbers = list(range(count))
    whole = of_rows(table(*numbers))
    parts = [of_rows(table(*part)) for part in (numbers[:cut], numbers[cut:]) if part]
    for summed in (sum(parts, Aggregate()), sum(reversed(parts), Aggregate())):
        assert (summed.samples, summed.totals, summed.counts) == (whole.samples, whole.totals, whole.counts)
        assert set(summed.histograms) == set(whole.histograms)
        for name, histogram in whole.histograms.items():
            assert histogram.count == summed.histograms[name].count
            assert np.array_equal(histogram.bins, summed.histograms[name].bins)


def test_a_statistic_that_one_part_lacks_is_kept() -> None:
    first = Aggregate(samples=1, totals={"a": 0}, counts={"b": Counter("x")})
    second = Aggregate(samples=2, totals={"c": 3}, counts={"b": Counter("xy")})
    for summed in (first + second, second + first):
        assert summed == Aggregate(samples=3, totals={"a": 0, "c": 3}, counts={"b": Counter("xxy")})


def test_a_sum_is_unknown_only_if_all_of_its_parts_are() -> None:
    unknown, known = Aggregate(totals={"a": None}), Aggregate(totals={"a": 2})
    assert (unknown + known).totals == (known + unknown).totals == {"a": 2}
    assert (unknown + unknown).totals == (unknown + Aggregate()).totals == {"a": None}


def test_every_statistic_of_the_table_is_aggregated() -> None:
    found = of_rows(table(0, 1, 2))
    for kind, names in ((Total, found.totals), (ValueCounts, found.counts)):
        assert [item.name for item in STATISTICS if isinstance(item, kind)] == list(names)
    distributions = [item.name for item in STATISTICS if isinstance(item, Distribution)]
    assert [*distributions, "score words"] == list(found.histograms)


def test_a_row_group_is_read_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "x.parquet")
    data = tables.encode_table(table(0, 1, 2), row_group_rows=2)
    Path(path).write_bytes(data)
    assert [of_row_group(path, group).samples for group in (0, 1)] == [2, 1]
    assert of_row_group(path, 1).totals == of_rows(table(2)).totals
    assert tables.count_rows(path) == len([row(n) for n in range(3)])
    assert next(iter(tables.read_records(path, SidecarRow))).key == row(0).key
