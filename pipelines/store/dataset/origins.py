"""Origins of a dataset's inputs: their kinds, and what the crawlers of its WARCs state about themselves."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from corpusloom.schemas import storage, tables
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import FileEntry

PROVENANCE = "provenance/extract.parquet"
WARCINFO = "warcinfo"
"""Place of the signals `software` and `robots` in the provenance of a WARC."""
IN_FILES = ("iptc", "c2pa")
"""Opt-outs that an image file holds itself."""
_WARC = re.compile(r"\.w?arc(\.\w+)?$", re.I)


@dataclass(frozen=True, slots=True)
class Crawler:
    """Statements of a WARC's warcinfo record; empty where it states nothing."""

    software: str = ""
    robots: str = ""


def crawlers(dataset: str) -> Counter[Crawler]:
    """Return what the WARCs of a dataset state about their crawlers, with the number of WARCs."""
    path = storage.join(dataset, PROVENANCE)
    if not storage.exists(path):
        return Counter()
    table = tables.read_table(path, ["signals"])
    stated = table.filter(pc.greater(pc.list_value_length(table["signals"]), 0))["signals"].to_pylist()
    found: Counter[Crawler] = Counter()
    for signals in stated:
        values = {row["name"]: row["value"] for row in signals if row["where"] == WARCINFO}
        if values:
            found[Crawler(values.get("software", ""), values.get("robots", ""))] += 1
    return found


def _kind_of(entry: FileEntry) -> str:
    """Return the kind of an input by its name: shards of img2dataset are named without an extension."""
    if _WARC.search(entry.name):
        return "warc"
    return "list" if "." in entry.name else "img2dataset"


def kinds_of(manifest: Manifest) -> Counter[str]:
    """Return the number of a dataset's inputs of each kind: warc, list, img2dataset; or pairs, for regions."""
    derived = "source" in json.loads(manifest.config)
    return Counter({"pairs": 1}) if derived else Counter(map(_kind_of, manifest.inputs))


def describe(manifest: Manifest, stated: Counter[Crawler]) -> list[str]:
    """Return sentences on where the samples come from."""
    kinds = kinds_of(manifest)
    lines = []
    if kinds["warc"]:
        lines.append(f"Web pages from {kinds['warc']:,} WARC or ARC files, as their crawlers recorded them.")
        lines += [_crawler_line(crawler, count) for crawler, count in sorted(stated.items(), key=str)]
        unknown = kinds["warc"] - stated.total()
        if unknown > 0:
            lines.append(f"Crawler of {unknown:,} of them, and whether it obeyed robots.txt: not on record.")
    if kinds["list"]:
        lines.append(
            f"Image URLs with texts from {kinds['list']:,} lists; the pages that show the images were not read. "
            "Whether the makers of the lists obeyed robots.txt and opt-outs is not on record."
        )
    if kinds["img2dataset"]:
        lines.append(
            f"Images with texts from {kinds['img2dataset']:,} shards that img2dataset wrote. "
            "Whether robots.txt and opt-outs were obeyed when they were fetched is not on record."
        )
    if kinds["pairs"]:
        source = json.loads(manifest.config).get("source")
        lines.append(f"Pairs of the dataset with digest {source}; its documents say where they come from.")
    return lines


def _crawler_line(crawler: Crawler, count: int) -> str:
    software = crawler.software or "not on record"
    robots = f'"{crawler.robots}"' if crawler.robots else "not on record"
    return f"Crawler of {count:,} of them, by their own statement: {software}; policy on robots.txt: {robots}."


def opt_outs(manifest: Manifest, signals: Sequence[str]) -> str:
    """Return the sentence on the opt-outs that the build looked for; empty if it looked for none."""
    kinds = kinds_of(manifest)
    subject, found = "a page or an image", list(signals)
    if kinds["list"]:
        subject = "an image"
    elif kinds["img2dataset"]:
        subject, found = "an image, looked for in its file alone", [name for name in signals if name in IN_FILES]
    return f"Opt-out signals that reject {subject}: {', '.join(found)}." if found else ""


def collection_types(manifest: Manifest) -> list[str]:
    """Return how the data was collected, in the words of Croissant's RAI vocabulary."""
    kinds = kinds_of(manifest)
    scraped = ["Web Scraping"] if kinds["warc"] or kinds["list"] else []
    return scraped + (["Secondary Data Analysis"] if kinds["img2dataset"] or kinds["pairs"] else [])
