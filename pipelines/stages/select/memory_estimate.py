"""Estimates memory and disk of the select stage on one machine; raises an error for a corpus that does not fit."""

import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from corpusloom.pipelines.stages.select.corpus import MAX_PARTITIONS, PARTITION_BYTES
from corpusloom.schemas import tables
from corpusloom.schemas.errors import ConfigError, LoomError

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
BASE_BYTES = 350 << 20
"""Bytes for buffers, one range of heads and one partition: the memory that does not grow with the corpus, as
`benchmarks/build.py --only memory` measures it above the imports."""
ROW_BYTES = 8
"""Resident bytes per head: reason code and cluster label, rounded up."""
SORT_FACTOR = 6
"""Copies of a partition in memory while it is sorted."""
FREE_SHARE = 0.9
POWERS = tuple(1 << power for power in range(17))
"""Numbers of passes that an error may propose."""


def parse_size(text: str, where: str = "--memory") -> int:
    """Return the number of bytes of a size such as 12GB or 800MB."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B?)\s*", text.upper())
    unit = found.group(2) if found else ""
    unit = unit if unit in UNITS else f"{unit}B"
    if not found or not float(found.group(1)):
        raise ConfigError(f"{text!r} is no size", where=where, remedy="write 800MB or 12GB")
    return int(float(found.group(1)) * UNITS[unit])


def machine_memory() -> int:
    """Return the memory of this machine in bytes, or the limit of its control group if that is lower."""
    own = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        if os.path.exists(path):
            with open(path) as handle:
                limit = handle.read().strip()
            return min(own, int(limit)) if limit.isdigit() else own
    return own


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes of memory and of scratch disk that one pass needs."""

    memory: int
    disk: int


def select_need(rows: int, size: int, passes: int) -> Need:
    """Return the bytes that one pass needs, for a number of heads and their total size in bytes."""
    partition = max(PARTITION_BYTES, size // (MAX_PARTITIONS * passes))
    return Need(memory=BASE_BYTES + ROW_BYTES * rows + SORT_FACTOR * partition, disk=size // passes)


def measure(fragments: Iterable[str]) -> tuple[int, int]:
    """Return the number of heads in fragments and their decoded size in bytes. Only footers are read."""
    rows = size = 0
    for path in fragments:
        with tables.open_parquet(path) as file:
            rows += file.metadata.num_rows
            size += sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups))
    return rows, size


def check_select(fragments: Iterable[str], scratch: str, *, memory: int | None, passes: int) -> None:
    """Raise LoomError if the decisions over the heads of fragments would not fit.

    Args:
      fragments: Parquet of heads.
      scratch: The local folder of the partitions.
      memory: Bytes that it may take; None for the memory of this machine.
      passes: Number of passes.
    """
    rows, size = measure(fragments)
    check_need(rows, size, passes, Need(memory=memory or machine_memory(), disk=shutil.disk_usage(scratch).free))


def check_need(rows: int, size: int, passes: int, allowed: Need) -> None:
    """Raise LoomError if a pass needs more than is allowed; the error names a number of passes that would fit."""
    need = select_need(rows, size, passes)
    if fits(need, allowed):
        return
    if need.memory > allowed.memory:
        what = f"about {need.memory / 1e9:.3g} GB of memory, more than {allowed.memory / 1e9:.3g} GB"
    else:
        what = f"about {need.disk / 1e9:.3g} GB of scratch disk, and {allowed.disk / 1e9:.3g} GB are free"
    enough = next((more for more in POWERS if fits(select_need(rows, size, more), allowed)), 0)
    remedy = f"use --runner dataflow, or --passes {enough}" if enough else "use --runner dataflow or portable"
    raise LoomError(f"deciding over {rows:,} records: this shuffle needs {what}", where="stage select", remedy=remedy)


def fits(need: Need, allowed: Need) -> bool:
    """Return whether a need fits what is allowed; a tenth of the disk must stay free."""
    return need.memory <= allowed.memory and need.disk <= FREE_SHARE * allowed.disk
