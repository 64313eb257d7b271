"""Pairs are read from their shard, up to a limit."""

from pathlib import Path

import pytest

from corpusloom.pipelines.stages.regions.pairs_of_shard import read_pairs
from tests.pipelines.stages.regions.shard_of_pairs import PAIRS, write_pairs


@pytest.mark.parametrize(("limit", "read"), [(None, PAIRS), (0, 0), (1, 1), (PAIRS + 1, PAIRS)])
def test_a_limit_counts_the_pairs_of_a_shard(tmp_path: Path, limit: int | None, read: int) -> None:
    entry = write_pairs(str(tmp_path))
    found = list(read_pairs(str(tmp_path), entry, limit))
    assert [item.row.key for item in found] == [f"{number:032x}" for number in range(read)]
    assert all(item.image == item.members["png"] for item in found)
