"""Samples of a run that could not be read or decoded, counted and listed over all streams and ranks."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from corpusloom.trainers.training import distributed

LISTED = 1000
"""Samples that are listed, at most; all are counted."""


@dataclass(frozen=True, slots=True)
class SkippedSamples:
    """Samples of all ranks that could not be used since the run began or resumed."""

    reasons: Mapping[str, int] = field(default_factory=dict)
    """Reason -> number of samples."""
    listed: tuple[str, ...] = ()
    """One line per sample: its position, key and error."""

    @property
    def count(self) -> int:
        """Number of samples."""
        return sum(self.reasons.values())

    def to_plain(self) -> dict[str, Any]:
        """Return plain values, as in result.json."""
        return {"samples": self.count, "reasons": dict(self.reasons), "first": list(self.listed)}


def skipped_samples(stream: Any) -> SkippedSamples:
    """Return the samples that the streams of all ranks skipped; every rank calls this."""
    reasons: Counter[str] = Counter()
    listed: list[str] = []
    for counted, lines in distributed.gather_objects(_of_this_rank(stream)):
        reasons.update(counted)
        listed += lines
    return SkippedSamples(dict(sorted(reasons.items())), tuple(listed[:LISTED]))


def _of_this_rank(stream: Any) -> tuple[Counter[str], list[str]]:
    reasons: Counter[str] = Counter()
    listed: list[str] = []
    for part in getattr(stream, "streams", {"": stream}).values():
        reasons.update(getattr(getattr(part, "stream", None), "skipped", ()))
        listed += getattr(part, "skipped", ())
    return reasons, listed
