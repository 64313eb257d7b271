"""Values of each statistic; a new statistic needs only its entry in the table."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from corpusloom.pipelines.cli import main, text_tables
from corpusloom.pipelines.datasets.stats import aggregate, charts, report, statistics, summary
from corpusloom.pipelines.datasets.stats.statistics import (
    STATISTICS,
    Distribution,
    Statistic,
    Total,
    ValueCounts,
    floats,
    per_value,
    score_histograms,
    sum_of,
)
from corpusloom.pipelines.datasets.stats.summary import StatsSummary
from tests.pipelines.datasets.finished import finished_dataset
from tests.pipelines.datasets.stats.rows import table


def counted(name: str, *numbers: int) -> Counter[str]:
    (item,) = (item for item in STATISTICS if isinstance(item, ValueCounts) and item.name == name)
    return item.count(table(*numbers))


def values(name: str, *numbers: int) -> list[float]:
    (item,) = (item for item in STATISTICS if isinstance(item, Distribution) and item.name == name)
    return [value for value in item.values(table(*numbers)).tolist() if np.isfinite(value)]


def test_values_are_counted() -> None:
    assert counted("languages", 0, 1, 2) == {"en": 2, "unknown": 1}
    assert counted("formats", 0, 1, 2) == {"jpg": 3}
    assert counted("domains", 0, 1, 3) == {"host0.example": 2, "host1.example": 1}
    assert counted("opt_outs", 0, 1) == {"noai": 1, "tdm": 1}


def test_totals_are_sums() -> None:
    totals = {item.name: item.add(table(1, 2)) for item in STATISTICS if isinstance(item, Total)}
    assert totals == {"images": 2, "text_characters": 30}


def test_sizes_are_those_of_images() -> None:
    assert values("width", 0, 1) == [100, 101]
    assert values("height", 0, 1) == [50, 53]
    assert values("aspect", 0, 100) == [2.0, 350 / 200]
    assert values("text_length", 0, 2) == [20]  # a row without caption and length is one of an index
    assert values("images", 0, 2) == [1, 1]


def test_what_an_index_does_not_know_is_not_0() -> None:
    totals = {item.name: item for item in STATISTICS if isinstance(item, Total)}
    assert totals["text_characters"].add(table(0)) is None
    assert totals["text_characters"].add(table()) == 0
    assert totals["text_characters"].add(table(0, 1)) == 10
    unnamed = table(0).set_column(
        table(0).schema.get_field_index("page_url"), "page_url", pa.array([None], pa.string())
    )
    (domains,) = (item for item in STATISTICS if isinstance(item, ValueCounts) and item.name == "domains")
    assert domains.count(unnamed) == {"unknown": 1}


def test_each_score_has_a_distribution() -> None:
    found = score_histograms(table(0, 1, 2))
    assert {name: histogram.count for name, histogram in found.items()} == {"score words": 2}


def test_nulls_are_no_numbers() -> None:
    column = pa.chunked_array([[1, None], [3]])
    assert np.isnan(floats(column)[1])
    assert sum_of("n")(pa.table({"n": column})) == 4
    assert per_value("n")(pa.table({"n": ["a", None, ""]})) == {"a": 1, "unknown": 2}


def test_names_do_not_collide_in_the_json() -> None:
    keys = [item.name for item in STATISTICS if isinstance(item, Total | ValueCounts)]
    fields = {field.name for field in dataclasses.fields(StatsSummary)}
    assert len(set(keys)) == len(keys)
    assert not fields & set(keys)
    assert {item.name for item in STATISTICS if isinstance(item, ValueCounts) and item.most == 200} == {"domains"}
    assert NEW[1].most is None


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> Callable[[Statistic], None]:
    """Return a function that adds an entry to the table, as an edit of the file would."""

    def added(entry: Statistic) -> None:
        for module in (statistics, aggregate, summary, charts, report, text_tables):
            monkeypatch.setattr(module, "STATISTICS", (*STATISTICS, entry), raising=False)

    return added


NEW = (
    Total(name="widths", label="pixels of width", columns=("width",), add=sum_of("width")),
    ValueCounts(name="splits", label="Splits", columns=("split",), count=per_value("split")),
)


@pytest.mark.parametrize(("entry", "value", "shown"), [
    (NEW[0], 12 * 48, "576 pixels of width"),
    (NEW[1], {"train": 12}, "Splits: train 12"),
])  # fmt: skip
def test_a_new_statistic_needs_one_entry(
    entry: Total | ValueCounts,
    value: object,
    shown: str,
    add: Callable[[Statistic], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add(entry)
    dataset = finished_dataset(tmp_path)
    assert main.run(["stats", dataset, "--json", "--scheduler", "synchronous"]) == 0
    assert json.loads(capsys.readouterr().out)[entry.name] == value
    assert main.run(["stats", dataset, "--html", str(tmp_path / "r.html"), "--scheduler", "synchronous"]) == 0
    assert shown in capsys.readouterr().out
    assert entry.label in (tmp_path / "r.html").read_text()


def test_a_new_distribution_is_drawn_and_listed(
    add: Callable[[Statistic], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(Distribution(name="key_digit", columns=("key",), values=lambda rows: np.array(
        [int(key[0], 16) for key in rows["key"].to_pylist()], float)))  # fmt: skip
    dataset = finished_dataset(tmp_path)
    assert main.run(["stats", dataset, "--html", str(tmp_path / "r.html"), "--scheduler", "synchronous"]) == 0
    assert "key_digit" in capsys.readouterr().out
    page = (tmp_path / "r.html").read_text()
    assert ">key digit<" in page  # the axis of the histogram
    assert "<td>key_digit</td>" in page


def test_bars_are_drawn_where_an_entry_asks_for_them(add: Callable[[Statistic], None], tmp_path: Path) -> None:
    add(ValueCounts(name="splits", label="The splits", columns=("split",), count=per_value("split"), chart=True))
    found = charts.charts_of(
        summary.summarise(finished_dataset(tmp_path), summary.StatsConfig(scheduler="synchronous"))
    )
    assert "The splits" in found.counts
