"""Checks ALIGN's and MetaCLIP's counts on real titles: `python -m benchmarks.openclipart` (part of `make real`).

Debian's package openclipart-svg, which is downloaded and unpacked but not installed, has 7,397 drawings with titles,
thousands of which share a title. The titles go through `loom pairs --list` under one rule at a time, and each number of
pairs kept is compared with a count of the titles alone in plain Python. The exit code is 3 if they differ.
"""

import csv
import html
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import tyro

from benchmarks.real.sites import Site, obtain, unpack
from corpusloom.pipelines.filters.pairs.entries import draw, entry_keys
from corpusloom.schemas import identity

DRAWINGS = Site("openclipart-svg", "usr/share/openclipart/svg", host="openclipart.example")
TITLE = re.compile(r"<dc:title[^>]*>\s*([^<]+?)\s*</dc:title>")
MARK, BETWEEN_BLANKS = re.compile("([,.;:?!`])"), r" \1 "
MOST_IMAGES = 10
MOST_PAIRS = 20
RAREST = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class TitlesConfig:
    """Place of the package."""

    debs: Path | None = None
    """A folder with the package as a .deb file; without it the package is downloaded once into `cache`."""
    cache: Path = Path(".real/debs")
    """Folder of downloaded packages."""


def read_titles(folder: Path) -> dict[str, str]:
    """Return URL -> title of each file with a title; links to other files are left out."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.svg")):
        if path.is_symlink() or not path.is_file():
            continue
        title = TITLE.search(path.read_text("utf-8", "replace"))
        text = " ".join(html.unescape(title[1]).split()) if title else ""
        if text:
            found[f"https://{DRAWINGS.host}/{path.relative_to(folder)}"] = text
    return found


def tokens(title: str) -> list[str]:
    """Return the unigrams and bigrams of a title in lower case."""
    words = title.lower().split()
    return words + [f"{first} {second}" for first, second in pairwise(words)]


def expected(titles: Mapping[str, str]) -> dict[str, int]:
    """Return rule -> number of titles that it must leave, counted from the titles alone."""
    cased, folded = Counter(titles.values()), Counter(map(str.casefold, titles.values()))
    counts = Counter(token for title in titles.values() for token in tokens(title))
    words = sorted({word for title in titles.values() for word in title.split()})
    matched = {url: _words_in(title, words) for url, title in titles.items()}
    pairs_of = Counter(word for found in matched.values() for word in found)
    return {
        "texts of at most 10 images": sum(cased[title] <= MOST_IMAGES for title in titles.values()),
        "the same, case folded": sum(folded[title.casefold()] <= MOST_IMAGES for title in titles.values()),
        "no rare token": sum(min(counts[token] for token in tokens(title)) >= RAREST for title in titles.values()),
        "an entry": sum(bool(found) for found in matched.values()),
        "an entry, balanced": sum(_is_drawn(url, titles[url], found, pairs_of) for url, found in matched.items()),
    }


def _words_in(title: str, words: Sequence[str]) -> list[str]:
    """Return the words that stand in a title between blanks, with blanks around punctuation marks."""
    spaced = f" {MARK.sub(BETWEEN_BLANKS, title)} "
    return [word for word in words if f" {word} " in spaced]


def _is_drawn(url: str, title: str, found: Sequence[str], pairs_of: Mapping[str, int]) -> bool:
    """Return whether one of a pair's entries keeps it, each with probability min(1, t / pairs of the entry)."""
    key = identity.pair_key(url, title)
    return any(
        draw(key, entry, 1, 0) <= min(1, MOST_PAIRS / pairs_of[word])
        for word, entry in zip(found, entry_keys(found, ""), strict=True)
    )


def rules(entries: Path) -> dict[str, Sequence[str]]:
    """Return rule -> the keys of a recipe with this rule alone."""
    off = ("filters.language=off", "filters.captions=off")
    shared = f"filters.captions.max_text_images={MOST_IMAGES}"
    return {
        "texts of at most 10 images": (*off, shared),
        "the same, case folded": (*off, shared, "filters.captions.fold_case=true"),
        "no rare token": (*off, f"filters.captions.min_token_occurrences={RAREST}"),
        "an entry": (*off, f"filters.entries.metadata={entries}", "filters.entries.min_entries=1"),
        "an entry, balanced": (
            *off,
            f"filters.entries.metadata={entries}",
            "filters.entries.min_entries=1",
            f"filters.entries.max_pairs={MOST_PAIRS}",
        ),
    }


def kept_by(keys: Sequence[str], titles: Path, work: Path) -> int:
    """Return the number of pairs that a build keeps of a list of titles."""
    command = [sys.executable, "-m", "corpusloom", "pairs", "align", "--list", str(titles), "--caption-column", "title"]
    command += ["--work", str(work), "--out", str(work / "out"), "--json", "--quiet", "--set", *keys]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    counts = json.loads(result.stdout)["counts"]
    (kept,) = (row["kept"] for row in counts if (row["stage"], row["unit"]) == ("select", "pair"))
    return int(kept)


def main(config: TitlesConfig) -> int:
    """Compare the counts; return 0 if they are equal."""
    with tempfile.TemporaryDirectory(prefix="loom-titles-") as name:
        folder = Path(name)
        titles = read_titles(unpack(DRAWINGS, obtain(DRAWINGS, config.cache, config.debs), folder))
        with (folder / "titles.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("url", "title"), *titles.items()])
        words = sorted({word for title in titles.values() for word in title.split()})
        (folder / "entries.txt").write_text("\n".join(words) + "\n", "utf-8")
        wanted = expected(titles)
        print(f"{len(titles):,} titles, {len(set(titles.values())):,} different")
        wrong = 0
        for rule, keys in rules(folder / "entries.txt").items():
            found = kept_by(keys, folder / "titles.csv", folder / "work")
            wrong += found != wanted[rule]
            print(f"{rule}: {found:,} kept, {wanted[rule]:,} counted")
    return 3 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(TitlesConfig, description=__doc__)))
