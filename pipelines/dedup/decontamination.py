"""Decontamination: finds images of evaluation sets by hash and colour, and their texts by n-grams.

No benchmark is bundled. A list is JSONL with one item per line: {"benchmark", "item", "text"} or {"benchmark", "item",
"sha256", "dhash", "phash", "grid"}. The grid is in hex and optional; without it a recoloured drawing also matches.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from corpusloom.pipelines.dedup.image_hashes import (
    ImageHashes,
    TwinConfig,
    block_keys,
    colour_distance,
    hamming,
    has_content,
)
from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True, slots=True)
class DecontaminationConfig:
    """Thresholds of decontamination: for texts those of GPT-3 (arXiv 2005.14165, App. C), the others are ours."""

    ngram_words: int = 13
    """Words per n-gram (GPT-3 App. C). A shorter evaluation text is one n-gram as a whole."""
    min_words: int = 8
    """Words of an evaluation text, at least; a shorter one such as "a dog on a beach" would match too much (ours)."""
    window: int = 200
    """Characters removed on each side of a match in a page (GPT-3 App. C)."""
    max_pieces: int = 10
    """Pieces of a page after the cuts, at most; a page in more pieces is rejected (GPT-3 App. C)."""
    twins: TwinConfig = field(default_factory=TwinConfig)
    """Distances up to which two images count as the same picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkItem:
    """One item of an evaluation set: a text, an image's hashes, or both."""

    benchmark: str
    item: str
    text: str | None = None
    sha256: str | None = None
    dhash: str | None = None
    phash: str | None = None
    grid: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """An evaluation item that a text or an image contains."""

    benchmark: str
    item: str
    kind: str
    """sha256 or twin for an image, ngram for a text."""
    distance: float = 0.0
    """Differing bits of the dHash for a twin, matched words for an n-gram."""
    start: int = 0
    """First character of the match in the text; 0 for an image."""
    end: int = 0
    """Character after the match; 0 for an image."""


def read_items(path: str) -> list[BenchmarkItem]:
    """Read a list of evaluation items; a malformed line is an InputError that names it."""
    items = []
    for number, line in enumerate(storage.read_bytes(path).decode("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            items.append(BenchmarkItem(**json.loads(line)))
        except (ValueError, TypeError) as error:
            remedy = 'a line is {"benchmark", "item", "text"} or {"benchmark", "item", "sha256", "dhash", "phash"}'
            raise InputError(f"line {number}: {error}", where=path, remedy=remedy) from error
    return items


class Benchmarks:
    """An index of evaluation items: texts by n-gram, images by hash. Each worker holds one."""

    def __init__(self, items: Iterable[BenchmarkItem], config: DecontaminationConfig | None = None) -> None:
        self._config = config or DecontaminationConfig()
        self._ngrams: dict[str, BenchmarkItem] = {}
        self._sha256: dict[str, BenchmarkItem] = {}
        self._blocks: dict[tuple[int, int], list[BenchmarkItem]] = {}
        self._sizes: set[int] = set()
        for item in sorted(items, key=lambda item: (item.benchmark, item.item, item.text or "", item.sha256 or "")):
            self._add(item)

    def _add(self, item: BenchmarkItem) -> None:
        if item.text is not None:
            self._add_text(item, [word for word, _, _ in _words_with_places(item.text)])
        if item.sha256 is not None:
            self._sha256.setdefault(item.sha256, item)
        if item.dhash is not None and item.phash is not None:
            for key in block_keys(item.dhash, self._config.twins.max_dhash_distance):
                self._blocks.setdefault(key, []).append(item)

    def _add_text(self, item: BenchmarkItem, words: Sequence[str]) -> None:
        if len(words) < self._config.min_words:
            return
        size = min(len(words), self._config.ngram_words)
        self._sizes.add(size)
        for start in range(len(words) - size + 1):
            self._ngrams.setdefault(" ".join(words[start : start + size]), item)

    def match_text(self, text: str) -> tuple[Match, ...]:
        """Return one match per n-gram of an evaluation text that occurs in a text, in order of position."""
        if not self._sizes:
            return ()
        words = _words_with_places(text)
        found = []
        for size in sorted(self._sizes):
            for start in range(len(words) - size + 1):
                window = words[start : start + size]
                item = self._ngrams.get(" ".join(word for word, _, _ in window))
                if item is not None:
                    found.append(Match(item.benchmark, item.item, "ngram", size, window[0][1], window[-1][2]))
        return tuple(sorted(found, key=lambda match: (match.start, match.end, match.benchmark, match.item)))

    def match_image(self, sha256: str | None, hashes: ImageHashes | None = None) -> Match | None:
        """Return the evaluation image with the same bytes, else the nearest one within the thresholds, else None."""
        if sha256 is not None and (same := self._sha256.get(sha256)) is not None:
            return Match(same.benchmark, same.item, "sha256")
        twins = self._config.twins
        if hashes is None or not has_content(hashes, twins):
            return None
        near = []
        for key in block_keys(hashes.dhash, twins.max_dhash_distance):
            for item in self._blocks.get(key, ()):
                distance = _twin_distance(item, hashes, twins)
                if distance is not None:
                    near.append((distance, item.benchmark, item.item))
        return Match(*min(near)[1:], "twin", min(near)[0]) if near else None


def _twin_distance(item: BenchmarkItem, hashes: ImageHashes, twins: TwinConfig) -> int | None:
    distance = hamming(item.dhash or "0", hashes.dhash)
    if distance > twins.max_dhash_distance or hamming(item.phash or "0", hashes.phash) > twins.max_phash_distance:
        return None
    if item.grid is not None and colour_distance(bytes.fromhex(item.grid), hashes.grid) > twins.max_colour_distance:
        return None
    return distance


def _words_with_places(text: str) -> list[tuple[str, int, int]]:
    """Return the lower-case words of a text without punctuation, each with its start and end in characters."""
    return [(match.group().lower(), match.start(), match.end()) for match in _WORD.finditer(text)]


def cut_blocks(
    texts: Sequence[str | None], benchmarks: Benchmarks, config: DecontaminationConfig | None = None
) -> tuple[tuple[str | None, ...] | None, tuple[Match, ...]]:
    """Remove evaluation texts from a page as GPT-3 does (App. C); return its texts and the matches.

    `window` characters on each side of a match are removed, and then each piece that is shorter than `window`. A match
    and its window may run over several blocks.

    Args:
      texts: The blocks of the page in order, None for an image.
      benchmarks: The evaluation items.
      config: The thresholds.

    Returns:
      The texts (None for a block that lost all its text) and the matches. Instead of the texts None, if the page
      falls into more than `max_pieces` pieces or keeps no text.
    """
    config = config or DecontaminationConfig()
    whole = "\n\n".join(text for text in texts if text is not None)
    matches = benchmarks.match_text(whole)
    if not matches:
        return tuple(texts), ()
    spans = _merge([(match.start - config.window, match.end + config.window) for match in matches])
    cut: list[str | None] = []
    start = 0
    for text in texts:
        cut.append(None if text is None else _without(text, start, spans, config.window))
        start += 0 if text is None else len(text) + 2
    if len(spans) + 1 > config.max_pieces or not any(cut):
        return None, matches
    return tuple(cut), matches


def _without(text: str, start: int, spans: Sequence[tuple[int, int]], shortest: int) -> str | None:
    """Return a block's text without the spans and without pieces shorter than `shortest`; None if nothing is left.

    Spans are in characters of the page's text, in which the block starts at `start`.
    """
    inside = [(max(low - start, 0), min(high - start, len(text))) for low, high in spans]
    inside = [(low, high) for low, high in inside if low < high]
    if not inside:
        return text
    edges = [0, *(edge for span in inside for edge in span), len(text)]
    pieces = [text[low:high].strip() for low, high in zip(edges[::2], edges[1::2], strict=True)]
    return "\n\n".join(piece for piece in pieces if len(piece) >= shortest) or None


def reason_of(match: Match) -> str:
    """Return the reason of a rejection, benchmark_NAME, so that rejections are counted per benchmark."""
    return "benchmark_" + (re.sub(r"[^a-z0-9]+", "_", match.benchmark.lower()).strip("_") or "unnamed")


def _merge(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((max(start, 0), end))
    return merged
