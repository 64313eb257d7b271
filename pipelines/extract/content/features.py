"""Computes the features of runs for the block classifier, from text, position in the page's tree, and neighbours.

Features do not depend on the URL, nor on words of a language. `Features.spans` lists the runs that share an ancestor,
over which the classifier pools, for example the posts of a thread or the cards of a listing.
"""

import re
from collections import Counter
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading.types import RawPage, Section, TextRun

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

ANCESTORS = (1, 3, 5)
"""Levels above the innermost section whose runs the classifier pools."""
POOLED = len(ANCESTORS) + 1
"""Number of spans per run: one per entry of `ANCESTORS`, and the whole page."""
_KINDS = ("paragraph", "heading", "list", "table", "quote", "code", "caption", "other", "image")
_KIND_INDEX = {kind: index for index, kind in enumerate(_KINDS)}
_MARKS = (",", ".", "!", "?", ":", "|", "©", "$", "/", "\n")
_COUNTED = np.zeros(257, np.int64)
"""Character code -> 1 for a blank, 2 and up for `_MARKS`, 0 for all others."""
for _number, _mark in enumerate((" ", *_MARKS), 1):
    _COUNTED[ord(_mark)] = _number
_HEAD = 60
_SHARES = (0.35, 0.6, 0.85)
_TREE_LEVELS = (0, 1, 2, 3, 5)
_SECTION_FACTS = tuple(map(attrgetter, ("first", "last", "parent", "depth")))
_JSON_LD = (
    "Article",
    "Posting",
    "Product",
    "FAQ",
    "ItemList",
    "Recipe",
    "Breadcrumb",
    "Organization",
    "QAPage",
    "Collection",
)
_DESCRIPTION = re.compile(r'"(?:description|articleBody|text)"\s*:\s*"((?:[^"\\]|\\.){20,20000})', re.DOTALL)
_META_DESCRIPTIONS = ("description", "og:description", "twitter:description")


@dataclass(frozen=True, slots=True)
class Features:
    """`numbers` (n, F) float32, and `spans` (n, 4, 2): first and last+1 run of three ancestors and of the page."""

    numbers: Floats
    spans: Ints


def features_of(page: RawPage, runs: list[TextRun]) -> Features:
    """Return the features of all runs of a page (at least one), in their order."""
    own, chars, links = _texts(runs)
    tree, spans = _tree(page, runs, own, chars, links)
    columns = [
        own,
        _kinds(runs),
        _flags(runs),
        tree,
        _order(runs, chars),
        _agreement(page, runs),
    ]
    facts = _facts(page)
    columns.append(np.broadcast_to(facts, (len(runs), len(facts))))
    return Features(np.hstack(columns).astype(np.float32), spans)


def _texts(runs: list[TextRun]) -> tuple[Floats, Floats, Floats]:
    """Return (n, 21) sizes, links, marks and letter classes of each text; its characters; its characters in links."""
    chars, counts = _character_counts([item.text for item in runs])
    links = np.minimum(np.array([item.link_chars for item in runs], np.float32), chars)
    words, marks = counts[:, 0] + 1, counts[:, 1:]
    heads = np.array([item.text[:_HEAD] for item in runs], f"U{_HEAD}").view(np.uint32).reshape(-1, _HEAD)
    head = np.maximum((heads > 0).sum(1), 1)
    ends = np.array([ord(item.text[-1]) if item.text else 0 for item in runs])
    own = [
        np.log1p(chars),
        np.log1p(words),
        chars / words / 10,
        links / np.maximum(chars, 1),
        np.log1p(links),
        ((heads >= 65) & (heads <= 90)).sum(1) / head,
        ((heads >= 48) & (heads <= 57)).sum(1) / head,
        np.isin(ends, [ord(mark) for mark in '.!?…。！？”"»)']),
        ends == ord(":"),
        np.log1p(marks[:, 1] + marks[:, 2] + marks[:, 3]),
        (heads[:, 0] >= 97) & (heads[:, 0] <= 122),
    ]
    return np.hstack([np.column_stack(own), np.log1p(marks)]).astype(np.float32), chars, links


def _character_counts(texts: list[str]) -> tuple[Floats, Floats]:
    """Return the length of each text (n,), and the counts of blanks and of each of `_MARKS` in it (n, 11)."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    counted = _COUNTED[np.minimum(codes, len(_COUNTED) - 1)]
    places = np.nonzero(counted)[0]
    owners = np.searchsorted(np.cumsum(lengths), places, side="right")
    width = len(_MARKS) + 2
    table = np.bincount(owners * width + counted[places], minlength=len(texts) * width).reshape(-1, width)
    return lengths.astype(np.float32), table[:, 1:].astype(np.float32)


def _kinds(runs: list[TextRun]) -> Floats:
    """(n, 14): kind, heading level, list marker, table cell, declared width of an image."""
    out = np.zeros((len(runs), len(_KINDS) + 5), np.float32)
    at = len(_KINDS)
    for row, run in enumerate(runs):
        out[row, _KIND_INDEX[run.kind]] = 1
        if run.level:
            out[row, at] = run.level / 3
        if run.prefix:
            out[row, at + 1] = 1
            out[row, at + 2] = len(run.prefix) / 4
        if run.table:
            out[row, at + 3] = 1
        if run.image is not None:
            out[row, at + 4] = min(run.image.declared_width or 0, 1000) / 500
    return out


def _flags(runs: list[TextRun]) -> Floats:
    flags = np.array([run.flags for run in runs], np.int64)
    return ((flags[:, None] >> np.arange(el.FLAG_COUNT)) & 1).astype(np.float32)


def _tree(page: RawPage, runs: list[TextRun], own: Floats, chars: Floats, links: Floats) -> tuple[Floats, Ints]:
    """Return counts per ancestor, absolute and as a share of the page, and the spans of some ancestors."""
    count, sections = len(runs), page.sections
    first, last, parents, depths = (np.fromiter(map(get, sections), np.int64, len(sections)) for get in _SECTION_FACTS)
    last = np.maximum(first, last)
    ended = own[:, 7]
    good = chars * ((ended > 0) & (own[:, 1] > 2.3) & (own[:, 3] < 0.4))
    images = np.array([item.image is not None for item in runs], np.float64)
    sums = np.zeros((count + 1, 6))
    np.cumsum(np.column_stack([chars, links, np.ones(count), ended, images, good]), axis=0, out=sums[1:])
    inside = sums[last] - sums[first]
    total = sums[-1] + 1.0
    stats = _section_stats(inside, total, sections)
    at = np.array([item.section for item in runs])
    columns: list[NDArray[np.float32]] = [(depths[at] / 10).astype(np.float32)[:, None]]
    spans = []
    for level in range(max(*_TREE_LEVELS, *ANCESTORS) + 1):
        if level in _TREE_LEVELS:
            columns.append(stats[at])
        if level in ANCESTORS:
            spans.append(np.column_stack([first[at], last[at]]))
        at = parents[at]
    spans.append(np.broadcast_to([0, count], (count, 2)))
    columns.append(_main_sections(first, last, inside[:, 5] / total[5], inside[:, 0] / total[0], count))
    facts = [np.log1p(total[0]), np.log1p(total[2]), total[1] / total[0], total[5] / total[0], np.log1p(total[4])]
    columns.append(np.broadcast_to(np.array(facts, np.float32), (count, len(facts))))
    return np.hstack(columns), np.stack(spans, axis=1)


def _section_stats(inside: NDArray[np.float64], total: NDArray[np.float64], sections: list[Section]) -> Floats:
    """(sections, 9): text, links, runs, ended sentences and images inside, and the number of similar siblings."""
    chars, count = inside[:, 0], inside[:, 2]
    columns = [
        np.log1p(chars),
        chars / total[0],
        inside[:, 1] / (chars + 1),
        np.log1p(count),
        inside[:, 3] / (count + 1),
        np.log1p(inside[:, 4]),
        inside[:, 5] / total[5],
        inside[:, 5] / (chars + 1),
        np.log1p(_repeated(sections)),
    ]
    return np.column_stack(columns).astype(np.float32)


def _repeated(sections: list[Section]) -> NDArray[np.float64]:
    """Return for each section the number of siblings of its tag and class: cards of a listing, posts of a thread."""
    keys = [(section.parent, section.tag, section.classes.partition(" ")[0]) for section in sections]
    counts = Counter(keys)
    return np.fromiter(map(counts.__getitem__, keys), np.float64, len(keys))


def _main_sections(
    first: Ints, last: Ints, good: NDArray[np.float64], chars: NDArray[np.float64], count: int
) -> Floats:
    """(n, 18): inside the deepest section with a share of the page's text, and the distance before and after."""
    places = np.arange(count)
    columns = []
    for shares in (good, chars):
        for share in _SHARES:
            holding = np.nonzero(shares >= share)[0]
            at = int(holding[-1]) if len(holding) else 0
            begin, end = first[at], last[at]
            columns.append((places >= begin) & (places < end))
            columns.append(np.log1p(np.maximum(begin - places, 0)) / 3)
            columns.append(np.log1p(np.maximum(places - end + 1, 0)) / 3)
    return np.column_stack(columns).astype(np.float32)


def _order(runs: list[TextRun], chars: Floats) -> Floats:
    """(n, 7): position in the page by runs and characters, and relative to the first h1."""
    count = len(runs)
    before = np.cumsum(chars) - chars
    top = next((row for row, item in enumerate(runs) if item.level == 1), -1)
    places = np.arange(count)
    columns = [
        places / count,
        before / (chars.sum() + 1),
        np.log1p(places) / 3,
        np.log1p(count - places) / 3,
        np.full(count, float(top >= 0)),
        places < top,
        np.log1p(np.maximum(places - top, 0)) / 3 if top >= 0 else np.zeros(count),
    ]
    return np.column_stack(columns).astype(np.float32)


def _agreement(page: RawPage, runs: list[TextRun]) -> Floats:
    """(n, 5): repeated texts, headings that agree with the title, texts that agree with the page's description."""
    seen = Counter(item.text for item in runs)
    again: set[str] = set()
    title = set(page.title.lower().split())
    described = set(description(page).lower().split())
    out = np.zeros((len(runs), 5), np.float32)
    for row, run in enumerate(runs):
        text = run.text
        if not text:
            continue
        if seen[text] > 1:
            out[row, 0] = 1
            out[row, 1] = text in again
            again.add(text)
        if run.level and title:
            out[row, 2] = _share(text, title)
        if described and len(text) > 30:
            out[row, 3] = _share(text[:600], described)
            out[row, 4] = 1
    return out


def _share(text: str, words: set[str]) -> float:
    found = text.lower().split()
    return sum(map(words.__contains__, found)) / len(found) if found else 0.0


def description(page: RawPage) -> str:
    """Return the description in the page's metadata and structured data, or an empty text."""
    parts = [page.metas.get(name, "") for name in _META_DESCRIPTIONS]
    for block in page.json_ld:
        parts.extend(_DESCRIPTION.findall(block[:200_000])[:5])
    return " ".join(parts).replace("\\n", " ")


def _facts(page: RawPage) -> Floats:
    """(13,): types in the structured data, og:type article or product, whether the page has a description."""
    kinds = " ".join(page.json_ld)[:200_000]
    found = [float(name in kinds) for name in _JSON_LD]
    found += [float(kind in page.metas.get("og:type", "")) for kind in ("article", "product")]
    found.append(float(any(map(page.metas.get, _META_DESCRIPTIONS))))
    return np.array(found, np.float32)
