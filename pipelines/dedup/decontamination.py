"""Evaluation sets kept out of a corpus: their images by hash and colour, their texts by n-grams.

No benchmark is bundled: lists are JSONL, a line an item, {"benchmark", "item", "text"} or {"benchmark", "item",
"sha256", "dhash", "phash", "grid"} (grid in hex, optional: without it two recoloured drawings are one).
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
    """How a text is compared with evaluation texts: GPT-3's n-grams (arXiv 2005.14165, App. C), where they apply."""

    ngram_words: int = 13
    """Words of the n-grams that texts of at least so many words are cut into (GPT-3 App. C)."""
    min_words: int = 8
    """Words of the shortest text that is looked for; a caption as short as "a dog on a beach" never is (ours)."""
    window: int = 200
    """Characters cut away on each side of a match in a page (GPT-3 App. C)."""
    max_pieces: int = 10
    """Pieces that cutting may leave; a page in more goes (GPT-3 App. C)."""
    twins: TwinConfig = field(default_factory=TwinConfig)
    """How near an image must be."""


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
    """What was found: the benchmark, its item, how (sha256, twin, ngram, text), distance in bits or words matched."""

    benchmark: str
    item: str
    kind: str
    distance: float = 0.0
    start: int = 0
    end: int = 0
    """Characters of the match in the text; 0, 0 for an image."""


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
    """An index of evaluation items, small enough to travel beside the work: texts by n-gram, images by hash."""

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
        """Return the places of a text that hold an evaluation text, in order, each n-gram once."""
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
        """Return the nearest evaluation image that an image equals or is a twin of, or None."""
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

    def match_pair(self, text: str, sha256: str | None, hashes: ImageHashes | None = None) -> Match | None:
        """Return why a pair is an evaluation item: its image, else the first evaluation text in its text, or None."""
        image = self.match_image(sha256, hashes)
        return image or next(iter(self.match_text(text)), None)


def _twin_distance(item: BenchmarkItem, hashes: ImageHashes, twins: TwinConfig) -> int | None:
    distance = hamming(item.dhash or "0", hashes.dhash)
    if distance > twins.max_dhash_distance or hamming(item.phash or "0", hashes.phash) > twins.max_phash_distance:
        return None
    if item.grid is not None and colour_distance(bytes.fromhex(item.grid), hashes.grid) > twins.max_colour_distance:
        return None
    return distance


def _words_with_places(text: str) -> list[tuple[str, int, int]]:
    """Return the words of a text in lower case without punctuation, each with its first and last character's place."""
    return [(match.group().lower(), match.start(), match.end()) for match in _WORD.finditer(text)]


def cut_blocks(
    texts: Sequence[str | None], benchmarks: Benchmarks, config: DecontaminationConfig | None = None
) -> tuple[tuple[str | None, ...] | None, tuple[Match, ...]]:
    """Return a page's texts without evaluation texts and what is around them, and the matches.

    As GPT-3 (App. C): `window` characters go on each side of a match, and pieces left shorter than that. `texts` are
    the page's blocks in order, None for an image. A match may run over several blocks, and so does the window
    around it. None for the texts when the page would fall into more than `max_pieces`, or none of its text is left.
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
    """Return a text that stands at `start` without the spans; of one that is cut, pieces long enough stay."""
    inside = [(max(low - start, 0), min(high - start, len(text))) for low, high in spans]
    inside = [(low, high) for low, high in inside if low < high]
    if not inside:
        return text
    edges = [0, *(edge for span in inside for edge in span), len(text)]
    pieces = [text[low:high].strip() for low, high in zip(edges[::2], edges[1::2], strict=True)]
    return "\n\n".join(piece for piece in pieces if len(piece) >= shortest) or None


def reason_of(match: Match) -> str:
    """Return the reason under which what matched is dropped: benchmark_NAME, so that totals are kept a benchmark."""
    return "benchmark_" + (re.sub(r"[^a-z0-9]+", "_", match.benchmark.lower()).strip("_") or "unnamed")


def _merge(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((max(start, 0), end))
    return merged
