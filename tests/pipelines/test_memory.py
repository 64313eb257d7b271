"""A build that would not fit is refused with what it needs; sizes are read as people write them."""

from pathlib import Path

import pytest

from pipelines import memory
from schemas import tables
from schemas.errors import ConfigError, LoomError
from schemas.records import Candidate


@pytest.mark.parametrize(
    ("text", "size"), [("12GB", 12 * 10**9), ("800 mb", 8 * 10**8), ("1.5g", 1_500_000_000), ("4096", 4096)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert memory.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "12XB", "0GB", "-1GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no size"):
        memory.parse_size(text)


def test_what_does_not_fit_is_refused_with_what_it_needs(tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    rows = [Candidate(unit="page", key=f"{n:032x}", parent="p", url=f"http://example.org/{n}") for n in range(500)]
    tables.write_records(path, Candidate, rows)
    memory.check_select([path], 10**9)
    with pytest.raises(
        LoomError, match=r"deciding over 500 candidates needs about .* GB, more than 1e-06 GB"
    ) as caught:
        memory.check_select([path], 1_000)
    assert caught.value.exit_code == 1
    assert "--runner dataflow" in caught.value.remedy
    memory.check_select([path], None)


def test_this_machine_has_some_memory() -> None:
    assert memory.machine_memory() > 10**8
