"""Prints the funnels of datasets and the published ones: `python -m benchmarks.funnel DATASET...`.

For each stage and unit it prints the records that came in, those kept, and the three commonest reasons; then the
funnels of OBELICS (arXiv 2306.16527, section 3; exact counts from its repository) and MMC4 (arXiv 2304.06939, section
3).
"""

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import StageCounts

PUBLISHED: dict[str, tuple[tuple[str, str, float], ...]] = {
    "OBELICS": (
        ("pages of 25 crawls with text, worst perplexity out", "pages", 41.2e9),
        ("English, 36.4 %", "pages", 15e9),
        ("after MinHash, repetition and quality", "pages", 1.1e9),
        ("image links; of them 55 % fetched", "images", 3.6e9),
        ("after node and page filters", "pages", 365e6),
        ("after frequency of image URLs and NSFW", "pages", 361_209_568),
        ("one page per URL", "pages", 245_338_160),
        ("after paragraphs of domains, empty pages", "pages", 158_875_682),
        ("one page per set of images", "pages", 141_167_547),
        ("in the end, 298 million of them unique", "images", 353e6),
    ),
    "MMC4": (
        ("pages of c4-en with a live image", "pages", 115e6),
        ("their images", "images", 1.37e9),
        ("in the end (v1.1)", "pages", 101.2e6),
        ("in the end (v1.1)", "images", 571e6),
    ),
}
_ORDER = ("extract", "select", "images", "shards")


@dataclass(frozen=True, kw_only=True, slots=True)
class FunnelConfig:
    """Datasets to print."""

    datasets: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Folders of finished datasets."""


def line(row: StageCounts) -> str:
    """Return a stage's line: records in, records kept with their share, the commonest reasons."""
    named = ", ".join(f"{reason} {count:,}" for reason, count in row.reasons[:3])
    share = row.kept / row.records_in if row.records_in else 0.0
    return f"{row.stage:<9}{row.unit:<18}{row.records_in:>10,}{row.kept:>10,}{share:>8.1%}  {named}"


def published(name: str) -> list[str]:
    """Return the lines of a published funnel; a share is relative to the previous line with the same unit."""
    lines, before = [], dict[str, float]()
    for what, unit, count in PUBLISHED[name]:
        share = f"{count / before[unit]:>8.1%}" if unit in before else " " * 8
        lines.append(f"{what:<54}{unit:<8}{count:>16,.0f}{share}")
        before[unit] = count
    return lines


def main(config: FunnelConfig) -> int:
    """Print the funnels."""
    for dataset in config.datasets:
        manifest = read_manifest(dataset)
        print(f"{manifest.recipe}: {manifest.samples:,} samples ({dataset})")
        rows = sorted(manifest.counts, key=lambda row: (_ORDER.index(row.stage), row.unit))
        print("\n".join(line(row) for row in rows), end="\n\n")
    for name in PUBLISHED:
        print(f"{name}, as published")
        print("\n".join(published(name)), end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(FunnelConfig)))
