"""Configuration that every part of the benchmark of pairs reads."""

from dataclasses import dataclass
from typing import Literal

Part = Literal["align", "matching", "balance", "memory", "regions", "video"]
"""Parts to measure; each is a module of this folder."""
PARTS: tuple[Part, ...] = ("align", "matching", "balance", "memory", "regions", "video")


@dataclass(frozen=True, kw_only=True, slots=True)
class PairsConfig:
    """Parts to measure, and how often."""

    only: tuple[Part, ...] = PARTS
    """Parts to measure."""
    rounds: int = 5
    """Rounds of which the median counts; the sides of a comparison run in turns."""
    rng_seed: int = 0
    """Seed of made texts, entries and candidates."""
    videos: tuple[str, ...] = ()
    """Videos for the part video; by default one is made."""
    decord_python: str | None = None
    """Python of an environment with decord."""
    json: bool = False
    """Print one JSON object per measure."""
