"""Names of an input's fragments, derived from the hash of the input and its counts.

Names are derived, not listed, so an object store's eventual consistency cannot hide a fragment.
"""

from collections.abc import Iterable

from corpusloom.schemas.records import StageCounts

FRAGMENT_ROWS = 4_096
"""Records per fragment; the last fragment of an input may have fewer."""


def fragment_name(stem: str, part: int) -> str:
    """Return the name of an input's fragment; its records and their heads are files of the same name."""
    return f"{stem}-{part:04d}.parquet"


def fragment_names(stem: str, counts: Iterable[StageCounts]) -> list[str]:
    """Return the names of all fragments of an input, from the counts of its records."""
    rows = sum(row.kept for row in counts if row.unit != "record")
    return [fragment_name(stem, part) for part in range(-(-rows // FRAGMENT_ROWS))]
