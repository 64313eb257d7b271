"""A build that would not fit is refused with what it needs; sizes are read as people write them."""

import re
from pathlib import Path

import pytest

from corpusloom.pipelines.stages.select import memory_estimate
from corpusloom.schemas import tables
from corpusloom.schemas.errors import ConfigError, LoomError
from corpusloom.schemas.records import Head


@pytest.mark.parametrize(
    ("text", "size"), [("12GB", 12 * 10**9), ("800 mb", 8 * 10**8), ("1.5g", 1_500_000_000), ("4096", 4096)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert memory_estimate.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "12XB", "0GB", "-1GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no size"):
        memory_estimate.parse_size(text)


def test_what_does_not_fit_is_refused_with_the_passes_that_would() -> None:
    rows, size, allowed = 3_000_000, 40 * 10**12, memory_estimate.Need(memory=12 * 10**9, disk=60 * 10**12)
    with pytest.raises(LoomError, match=r"3,000,000 records: this shuffle needs about 235 GB of memory") as caught:
        memory_estimate.check_need(rows, size, 1, allowed)
    assert caught.value.exit_code == 1
    passes = int(re.fullmatch(r"use --runner dataflow, or --passes (\d+)", caught.value.remedy).group(1))  # type: ignore[union-attr]
    memory_estimate.check_need(rows, size, passes, allowed)
    with pytest.raises(LoomError):
        memory_estimate.check_need(rows, size, passes // 2, allowed)


def test_a_disk_that_is_too_small_is_refused_too() -> None:
    allowed = memory_estimate.Need(memory=10**12, disk=10**9)
    with pytest.raises(LoomError, match=r"about 7 GB of scratch disk, and 1 GB are free") as caught:
        memory_estimate.check_need(1_000, 7 * 10**9, 1, allowed)
    assert caught.value.remedy == "use --runner dataflow, or --passes 8"
    memory_estimate.check_need(1_000, 7 * 10**9, 8, allowed)


def test_no_number_of_passes_helps_where_the_heads_alone_are_too_many(tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    rows = [Head(unit="page", key=f"{n:032x}", parent="p", url=f"http://example.org/{n}") for n in range(500)]
    tables.write_records(path, Head, rows)
    memory_estimate.check_select([path], str(tmp_path), memory=10**9, passes=1)
    memory_estimate.check_select([path], str(tmp_path), memory=None, passes=1)
    with pytest.raises(LoomError, match=r"deciding over 500 records") as caught:
        memory_estimate.check_select([path], str(tmp_path), memory=1_000, passes=1)
    assert "--passes" not in caught.value.remedy


def test_this_machine_has_some_memory() -> None:
    assert memory_estimate.machine_memory() > 10**8
