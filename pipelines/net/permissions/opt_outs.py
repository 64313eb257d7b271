"""Opt-out signals in HTTP headers, HTML and image metadata, and the rejections that they cause."""

import itertools
import re
from collections.abc import Collection, Iterable
from typing import Literal

from corpusloom.pipelines.net.config import TOKEN, FetchKind
from corpusloom.pipelines.net.html_tags import attribute_pattern, tag_pattern, value_of, without_hidden
from corpusloom.schemas.records import ImageFacts, Signal
from corpusloom.schemas.verdicts import Rejected

MAX_METAS = 5_000
"""Meta elements of a page that are read, at most; a page with more is an attack."""
SIGNAL_HEADERS = {
    "x-robots-tag": "robots",
    "tdm-reservation": "tdm-reservation",
    "tdm-policy": "tdm-policy",
    "content-usage": "content-usage",
    "content-signal": "content-signal",
}
"""Response header -> name of its opt-out signal."""
_METAS = {"robots": "robots", TOKEN: "robots", **SIGNAL_HEADERS}
"""Name (or http-equiv) of a meta element -> name of its opt-out signal."""
_META = tag_pattern("meta")
_NAME = attribute_pattern("name|http-equiv")
_CONTENT = attribute_pattern("content")
_PAGE_WORDS = frozenset(("noai", "noml", "noindex"))
_IMAGE_WORDS = frozenset(("noai", "noml", "noimageai", "noimageindex", "noindex"))
_VALUED = frozenset(("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"))
_AGENT = re.compile(r"\s*([a-z][\w-]*)(?:/[\w.]*)?\s*|\s*(\*)\s*")
"""Matches the `agent` of `agent: directives`: a product token, with or without a version, or `*`. No date is one."""
_EVERYONE = frozenset((TOKEN, "*", "robots"))
_USAGE = re.compile(r"""(?:^|[,;\s])(train-ai|ai|genai|train-genai|tdm)\s*=\s*(?:["']?no?(?![\w-])|\?0)""")
_SIGNAL = re.compile(r"""(?:^|[,;\s])ai-train\s*=\s*["']?no?(?![\w-])""")
_LEVELS = ("file", "header", "meta")
"""Places of a TDMRep signal; one in a later place overrides one in an earlier place."""


def signals_of_headers(headers: Iterable[tuple[str, str]], *, seen_at: str) -> tuple[Signal, ...]:
    """Return the signals in HTTP response headers: X-Robots-Tag, TDMRep, Content-Usage, Content-Signal."""
    found = [(name.lower(), value) for name, value in headers if name.lower() in SIGNAL_HEADERS]
    return tuple(
        Signal(name=SIGNAL_HEADERS[name], value=value.strip(), where="header", seen_at=seen_at) for name, value in found
    )


def signals_of_html(html: bytes, *, seen_at: str) -> tuple[Signal, ...]:
    """Return the signals in the meta elements of a whole page, wherever they stand."""
    if b"\x00" in html[:64]:
        html = html.replace(b"\x00", b"")  # UTF-16
    if not _named_metas(html):
        return ()
    return tuple(
        Signal(name=name, value=value_of(_CONTENT, meta) or "", where="meta", seen_at=seen_at)
        for name, meta in _named_metas(without_hidden(html))
    )


def _named_metas(html: bytes) -> list[tuple[str, bytes]]:
    """Return signal name and attributes of each meta element that states a signal."""
    metas = (match[1] for match in itertools.islice(_META.finditer(html), MAX_METAS))
    named = ((_METAS.get((value_of(_NAME, meta) or "").lower()), meta) for meta in metas)
    return [(name, meta) for name, meta in named if name is not None]


def robots_words(value: str) -> frozenset[str]:
    """Return the directives of a robots value that apply to us; those after the `agent:` of another agent do not.

    `none` means `noindex, nofollow`. Blanks and semicolons, which some write, separate directives as commas do.
    """
    words: set[str] = set()
    ours = True
    for part in value.lower().split(","):
        head, colon, rest = part.partition(":")
        agent = _AGENT.fullmatch(head) if colon else None
        name = (agent[1] or agent[2]) if agent else ""
        if agent and name not in _VALUED:
            ours, part = name in _EVERYONE, rest
        if ours:
            words.update(re.split(r"[\s;]+", part.strip()))
    return frozenset(words | {"noindex", "nofollow"} if "none" in words else words)


def tdm_reservation(signals: Iterable[Signal]) -> str | None:
    """Return the tdm-reservation in force, 0 or 1: that of meta, else of the header, else of the file, else None.

    Of several values in one place 1 wins.
    """
    found: dict[str, str] = {}
    for signal in signals:
        if signal.name == "tdm-reservation":
            values = [value.strip() for value in signal.value.split(",")]
            found[signal.where] = max(
                [found.get(signal.where, ""), *(value for value in values if value in ("0", "1"))]
            )
    return next((found[level] for level in reversed(_LEVELS) if found.get(level)), None)


def opt_out_of_facts(facts: ImageFacts, honour: Collection[str]) -> Rejected | None:
    """Return the rejection of an image for the opt-out in its metadata (iptc or c2pa), if it is honoured."""
    if facts.opt_out is None or facts.opt_out.partition("_")[0] not in honour:
        return None
    return Rejected(f"opt_out_{facts.opt_out}")


def opt_out(
    signals: Iterable[Signal], honour: Collection[str], unit: Literal["page", "image"] | FetchKind = "page"
) -> Rejected | None:
    """Return the rejection of a page or an image for its signals, or None; one refusing signal is enough.

    `honour` lists the signals that are honoured: noai, noml, noindex (pages and images), noimageai and noimageindex
    (images only), train-ai (Content-Usage, drafts of AIPREF), ai-train (Content-Signal), tdm-reservation (TDMRep),
    ai.txt. Malformed and unknown values are ignored.
    """
    signals = tuple(signals)
    refusing = (_IMAGE_WORDS if unit == "image" else _PAGE_WORDS).intersection(honour)
    for signal in signals:
        words = robots_words(signal.value) & refusing if signal.name == "robots" else frozenset()
        if words:
            return Rejected(f"opt_out_{min(words)}")
        if signal.name == "content-usage" and "train-ai" in honour and _USAGE.search(signal.value.lower()):
            return Rejected("opt_out_train_ai")
        if signal.name == "content-signal" and "ai-train" in honour and _SIGNAL.search(signal.value.lower()):
            return Rejected("opt_out_ai_train")
        if signal.name == "ai.txt" and "ai.txt" in honour:
            return Rejected("opt_out_ai_txt")
    if "tdm-reservation" in honour and tdm_reservation(signals) == "1":
        return Rejected("opt_out_tdm_reservation")
    return None
