"""How the fragments of one input are named: from the hash of its bytes and its counts, without a listing.

An object store may list late what was written into it; a fragment that is named cannot be overlooked.
"""

from collections.abc import Iterable

from corpusloom.schemas.records import StageCounts

FRAGMENT_ROWS = 4_096
"""Records a fragment; the last one of an input may hold fewer."""


def fragment_name(stem: str, part: int) -> str:
    """Return the name of an input's fragment of records, and of the heads beside it."""
    return f"{stem}-{part:04d}.parquet"


def fragment_names(stem: str, counts: Iterable[StageCounts]) -> list[str]:
    """Return the names of all of an input's fragments, from what was counted in it."""
    rows = sum(row.kept for row in counts if row.unit != "record")
    return [fragment_name(stem, part) for part in range(-(-rows // FRAGMENT_ROWS))]
