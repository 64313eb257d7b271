"""How much memory deciding over a corpus takes on one machine: an estimate, and a refusal instead of a kill."""

import os
import re
from collections.abc import Iterable

from schemas import tables
from schemas.errors import ConfigError, LoomError

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
HELD = 14
"""Bytes that the local runner holds for a byte of a candidate's fragment, encodings undone (`benchmarks/build.py --only
memory`): it keeps what flows between two groupings, as Python objects."""


def parse_size(text: str) -> int:
    """Return the bytes that a size such as 12GB or 800MB names."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B?)\s*", text.upper())
    unit = found.group(2) if found else ""
    unit = unit if unit in UNITS else f"{unit}B"
    if not found or not float(found.group(1)):
        raise ConfigError(f"{text!r} is no size", where="--memory", remedy="write 800MB or 12GB")
    return int(float(found.group(1)) * UNITS[unit])


def machine_memory() -> int:
    """Return the bytes of memory of this machine, or of its control group where that has less."""
    own = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        if os.path.exists(path):
            with open(path) as handle:
                limit = handle.read().strip()
            return min(own, int(limit)) if limit.isdigit() else own
    return own


def select_estimate(fragments: Iterable[str]) -> tuple[int, int]:
    """Return the candidates of these fragments and the bytes that deciding over them takes; only footers are read."""
    rows = size = 0
    for path in fragments:
        with tables.open_parquet(path) as file:
            rows += file.metadata.num_rows
            size += sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups))
    return rows, size * HELD


def check_select(fragments: Iterable[str], memory: int | None) -> None:
    """Raise LoomError when deciding over these candidates would not fit in `memory` bytes (None: this machine's)."""
    allowed = memory or machine_memory()
    rows, needed = select_estimate(fragments)
    if needed > allowed:
        raise LoomError(
            f"deciding over {rows:,} candidates needs about {needed / 1e9:.3g} GB, more than {allowed / 1e9:.3g} GB",
            where="stage select",
            remedy="use --runner dataflow or portable; or raise --memory, if the machine has it",
        )
