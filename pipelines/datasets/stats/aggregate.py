"""Aggregate statistics of one row group of sidecars, and how two are added: what Dask spreads over workers."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.schemas import identity, tables

COLUMNS = ("images", "text_length", "width", "height", "aspect")
GROWTH = 1.02
"""Ratio of neighbouring bins: a quantile read from them is off by at most 1 %, half a bin."""
_BINS = 2_600
TOP_DOMAINS = 200


@dataclass
class LogHistogram:
    """A distribution in geometric bins: its sum, extremes and counts; zero and below have a bin of their own."""

    count: int = 0
    total: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    bins: np.ndarray = field(default_factory=lambda: np.zeros(_BINS, np.int64))

    @classmethod
    def of(cls, values: np.ndarray) -> "LogHistogram":
        """Return the distribution of some values; those that are not finite are left out."""
        values = values[np.isfinite(values)]
        if not len(values):
            return cls()
        bins = np.bincount(_bin_of(values), minlength=_BINS).astype(np.int64)
        return cls(len(values), float(values.sum()), float(values.min()), float(values.max()), bins)

    def __add__(self, other: "LogHistogram") -> "LogHistogram":
        return LogHistogram(
            self.count + other.count,
            self.total + other.total,
            min(self.low, other.low),
            max(self.high, other.high),
            self.bins + other.bins,
        )

    def quantile(self, share: float) -> float:
        """Return the value below which `share` of the values lie, to within 1 %."""
        place = int(np.searchsorted(np.cumsum(self.bins), share * self.count))
        middle = _value_of(place) * GROWTH**0.5
        return float(min(max(middle, self.low), self.high))

    def summary(self) -> dict[str, float]:
        """Return min, p05, p50, p95, max and mean."""
        if not self.count:
            return {}
        return {
            "min": self.low,
            "p05": self.quantile(0.05),
            "p50": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "max": self.high,
            "mean": self.total / self.count,
        }

    def histogram(self, bars: int = 24) -> tuple[tuple[float, float, int], ...]:
        """Return at most `bars` (low, high, count), equal on a logarithmic axis."""
        filled = np.flatnonzero(self.bins)
        if not len(filled):
            return ()
        first, last = int(filled[0]), int(filled[-1]) + 1
        edges = np.unique(np.linspace(first, last, bars + 1).round().astype(int))
        return tuple((_value_of(int(a)), _value_of(int(b)), int(self.bins[a:b].sum())) for a, b in pairwise(edges))


def _bin_of(values: np.ndarray) -> np.ndarray:
    safe = np.maximum(values, 1e-6)
    place = np.log(safe / 1e-6) / np.log(GROWTH) + 1
    return np.where(values <= 0, 0, np.clip(place, 1, _BINS - 1)).astype(np.int64)


def _value_of(place: int) -> float:
    return 0.0 if place <= 0 else float(1e-6 * GROWTH ** (place - 1))


@dataclass
class Aggregate:
    """Sums over some rows of sidecars."""

    samples: int = 0
    spreads: dict[str, LogHistogram] = field(default_factory=dict)
    languages: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    domains: Counter[str] = field(default_factory=Counter)
    opt_outs: Counter[str] = field(default_factory=Counter)
    images: int = 0
    characters: int = 0

    def __add__(self, other: "Aggregate") -> "Aggregate":
        names = {**self.spreads, **other.spreads}
        return Aggregate(
            self.samples + other.samples,
            {name: self.spreads.get(name, LogHistogram()) + other.spreads.get(name, LogHistogram()) for name in names},
            self.languages + other.languages,
            self.formats + other.formats,
            self.domains + other.domains,
            self.opt_outs + other.opt_outs,
            self.images + other.images,
            self.characters + other.characters,
        )


def of_row_group(path: str, group: int) -> Aggregate:
    """Return the statistics of one row group of a sidecar."""
    columns = [
        "page_url",
        "text_length",
        "images",
        "width",
        "height",
        "language",
        "opt_out_signals",
        "members",
        "scores",
    ]
    with tables.open_parquet(path) as file:
        return of_rows(file.read_row_group(group, columns=columns))


def of_rows(table: pa.Table) -> Aggregate:
    """Return the statistics of some rows."""
    members = pc.list_flatten(table["members"].combine_chunks())
    widths, heights = _floats(members.field("width")), _floats(members.field("height"))
    with np.errstate(divide="ignore", invalid="ignore"):
        aspect = np.maximum(widths, heights) / np.minimum(widths, heights)
    values = {
        "images": _floats(table["images"]),
        "text_length": _floats(table["text_length"]),
        "width": widths,
        "height": heights,
        "aspect": aspect,
    }
    hosts = Counter(identity.host_of(url or "") for url in table["page_url"].to_pylist())
    domains: Counter[str] = Counter()
    for host, count in hosts.items():
        domains[identity.registered_domain(host)] += count
    extensions = (field.rsplit(".", 1)[-1] for field in members.field("field").to_pylist())
    signals = pc.list_flatten(table["opt_out_signals"].combine_chunks()).to_pylist()
    return Aggregate(
        samples=table.num_rows,
        spreads={name: LogHistogram.of(array) for name, array in values.items()} | _score_spreads(table),
        languages=Counter(language or "unknown" for language in table["language"].to_pylist()),
        formats=Counter(name for name in extensions if name in ("jpg", "png", "webp")),
        domains=domains,
        opt_outs=Counter(signal.split("=")[0] for signal in signals),
        images=int(np.nansum(values["images"])),
        characters=int(np.nansum(values["text_length"])),
    )


def _floats(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(pc.cast(array, pa.float64()).fill_null(np.nan))


def _score_spreads(table: pa.Table) -> dict[str, LogHistogram]:
    scores = table["scores"].combine_chunks()
    keys, items = np.asarray(scores.keys.to_pylist(), dtype=object), _floats(scores.items)
    return {f"score {name}": LogHistogram.of(items[keys == name]) for name in sorted(set(keys))}
