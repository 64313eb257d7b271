"""Reads the development split of WCXB 1.0 (Foley, 2026, CC-BY-4.0): pages, reference texts, and its word-level F1."""

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

TYPES = ("article", "documentation", "service", "forum", "collection", "listing", "product")
_TOKEN = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class ReferencePage:
    """One page of the benchmark; `text` is its main content as annotated by people."""

    name: str
    url: str
    kind: str
    domain: str
    html: bytes
    text: str


def pages(root: Path) -> Iterator[ReferencePage]:
    """Yield all pages below `root` (a folder with html/ and ground-truth/) that have a reference text, by name."""
    for path in sorted((root / "ground-truth").glob("*.json")):
        data = json.loads(path.read_text("utf-8"))
        text = data["ground_truth"].get("main_content") or ""
        if tokens(text):
            url = data.get("url") or f"https://{path.stem}.example/"
            html = (root / "html" / f"{path.stem}.html").read_bytes()
            yield ReferencePage(path.stem, url, _kind(data), _domain(url), html, text)


def _kind(data: dict) -> str:
    kind = (data.get("_internal") or {}).get("page_type") or "article"
    kind = kind.get("primary", "article") if isinstance(kind, dict) else kind
    return "collection" if kind == "category" else kind


def _domain(url: str) -> str:
    return ".".join((urlsplit(url).hostname or "").split(".")[-2:])


def fold_of(domain: str, folds: int) -> int:
    """Return the fold of a domain: its pages look alike, so all of them belong to one fold."""
    return zlib.crc32(domain.encode()) % folds


def tokens(text: str) -> list[str]:
    """Return the lower-case words of a text."""
    return _TOKEN.findall(text.lower())


def word_f1(predicted: Sequence[str], reference: Sequence[str]) -> float:
    """Return the F1 of two multisets of words: WCXB's measure."""
    if not reference or not predicted:
        return float(len(reference) == len(predicted))
    shared = sum((Counter(predicted) & Counter(reference)).values())
    return 2 * shared / (len(predicted) + len(reference))


def by_type(scores: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Return the mean score of each page type, and of all pages."""
    means = {kind: [score for other, score in scores if other == kind] for kind in TYPES}
    found = {kind: sum(values) / len(values) for kind, values in means.items() if values}
    found["all"] = sum(score for _kind, score in scores) / max(len(scores), 1)
    return found
