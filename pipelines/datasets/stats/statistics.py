"""Table of a dataset's statistics: per entry the sidecar columns that it reads and how they are aggregated.

To add a statistic, add an entry to STATISTICS. `loom stats` then shows it as text, as JSON and in the HTML report.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.pipelines.datasets.stats.histogram import Histogram
from corpusloom.schemas import identity, layout

TOP_DOMAINS = 200
UNKNOWN = "unknown"
"""Name of a value that a sample does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A sum over all samples."""

    name: str
    """Key in the JSON."""
    label: str
    """Name in the text output and in the report."""
    columns: tuple[str, ...]
    """Columns of the sidecar that are read."""
    add: Callable[[pa.Table], int | None]
    """Rows of a sidecar -> their sum; None if it is not known for any of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCounts:
    """The number of occurrences of each value."""

    name: str
    """Key in the JSON."""
    label: str
    """Name in the text output and in the report."""
    columns: tuple[str, ...]
    """Columns of the sidecar that are read."""
    count: Callable[[pa.Table], Counter[str]]
    """Rows of a sidecar -> value -> number of occurrences."""
    most: int | None = None
    """Maximum number of values that are reported, the commonest first; None for all."""
    chart: bool = False
    """True to draw bars in the report; else the values are listed in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Quantiles and a histogram of a number."""

    name: str
    """Key in the JSON, and name in the text output and in the report."""
    columns: tuple[str, ...]
    """Columns of the sidecar that are read."""
    values: Callable[[pa.Table], np.ndarray]
    """Rows of a sidecar -> the numbers; those that are not finite are left out."""
    chart: bool = True
    """True to draw the histogram in the report."""
    title: str = ""
    """Title of the histogram, with the unit of the values; by default the name."""
    counted: str = "samples"
    """Unit that has one value each: samples or images."""


Statistic: TypeAlias = Total | ValueCounts | Distribution


def per_value(column: str) -> Callable[[pa.Table], Counter[str]]:
    """Return the function that counts the values of a text column; samples without one count as UNKNOWN."""
    return lambda table: Counter(value or UNKNOWN for value in table[column].to_pylist())


def sum_of(column: str) -> Callable[[pa.Table], int | None]:
    """Return the function that adds up a column of numbers."""
    return lambda table: _sum(floats(table[column]))


def _sum(values: np.ndarray) -> int | None:
    """Return the sum of the known values; None if there are rows and none of them has a value."""
    known = values[np.isfinite(values)]
    return int(known.sum()) if len(known) or not len(values) else None


def floats(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return a column as float64, nulls as NaN."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(pc.cast(array, pa.float64()).fill_null(np.nan))


def _members(table: pa.Table, field: str) -> pa.Array:
    """Return one field of every member of every sample."""
    return pc.list_flatten(table["members"].combine_chunks()).field(field)


def _formats(table: pa.Table) -> Counter[str]:
    extensions = map(layout.extension_of, _members(table, "field").to_pylist())
    return Counter(extension for extension in extensions if extension in layout.IMAGE_EXTENSIONS)


def _domains(table: pa.Table) -> Counter[str]:
    hosts = Counter(identity.host_of(url or "") for url in table["page_url"].to_pylist())
    domains: Counter[str] = Counter()
    for host, count in hosts.items():
        domains[identity.registered_domain(host) or UNKNOWN] += count
    return domains


def _opt_outs(table: pa.Table) -> Counter[str]:
    signals = pc.list_flatten(table["opt_out_signals"].combine_chunks()).to_pylist()
    return Counter(signal.split("=")[0] for signal in signals)


def _text_length(table: pa.Table) -> np.ndarray:
    """Return the characters per sample; unknown for the samples of an index, which have neither caption nor length."""
    lengths = floats(table["text_length"])
    unknown = np.asarray(pc.is_null(table["caption"])) & (lengths == 0)
    return np.where(unknown, np.nan, lengths)


def _aspect(table: pa.Table) -> np.ndarray:
    widths, heights = floats(_members(table, "width")), floats(_members(table, "height"))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.maximum(widths, heights) / np.minimum(widths, heights))


STATISTICS: tuple[Statistic, ...] = (
    Total(name="images", label="images", columns=("images",), add=sum_of("images")),
    Total(
        name="text_characters", label="characters of text", columns=("text_length", "caption"),
        add=lambda table: _sum(_text_length(table)),
    ),
    ValueCounts(name="languages", label="Languages", columns=("language",), count=per_value("language")),
    ValueCounts(name="formats", label="Image formats", columns=("members",), count=_formats),
    ValueCounts(
        name="domains", label="Samples per registered domain", columns=("page_url",), count=_domains,
        most=TOP_DOMAINS, chart=True,
    ),
    ValueCounts(
        name="opt_outs", label="Opt-out and licence signals seen on kept samples", columns=("opt_out_signals",),
        count=_opt_outs,
    ),
    Distribution(
        name="images", title="images of a sample", columns=("images",), values=lambda table: floats(table["images"])
    ),
    Distribution(
        name="text_length", title="text of a sample, characters", columns=("text_length", "caption"),
        values=_text_length,
    ),
    Distribution(
        name="width", title="width of an image, pixels", counted="images", columns=("members",),
        values=lambda table: floats(_members(table, "width")),
    ),
    Distribution(
        name="height", title="height of an image, pixels", counted="images", columns=("members",),
        values=lambda table: floats(_members(table, "height")),
    ),
    Distribution(name="aspect", counted="images", columns=("members",), values=_aspect, chart=False),
)  # fmt: skip
"""All statistics but the scores; `score_histograms` adds one distribution per score, named "score NAME"."""


def score_histograms(table: pa.Table) -> dict[str, Histogram]:
    """Return the distribution of each score in some rows of a sidecar."""
    scores = table["scores"].combine_chunks()
    names, values = np.asarray(scores.keys.to_pylist(), dtype=object), floats(scores.items)
    return {f"score {name}": Histogram.of(values[names == name]) for name in sorted(set(names))}
