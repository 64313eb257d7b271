"""Opt-out signals in HTTP headers, HTML and image metadata, and the rejections that they cause."""

import re
from collections.abc import Collection, Iterable
from typing import Literal

from corpusloom.pipelines.net.config import TOKEN, FetchKind
from corpusloom.schemas.records import ImageFacts, Signal
from corpusloom.schemas.verdicts import Rejected

HTML_BYTES = 65_536
SIGNAL_HEADERS = {
    "x-robots-tag": "robots",
    "tdm-reservation": "tdm-reservation",
    "tdm-policy": "tdm-policy",
    "content-usage": "content-usage",
    "content-signal": "content-signal",
}
"""Response header -> name of its opt-out signal."""
_METAS = {
    "robots": "robots",
    TOKEN: "robots",
    "tdm-reservation": "tdm-reservation",
    "tdm-policy": "tdm-policy",
}
_META = re.compile(rb"<meta\s([^<>]{0,4096})", re.I)
_NAME = re.compile(rb"""\bname\s{0,9}=\s{0,9}(?:"([^"]*)"?|'([^']*)'?|([^\s>"']+))""", re.I)
_CONTENT = re.compile(rb"""\bcontent\s{0,9}=\s{0,9}(?:"([^"]*)"?|'([^']*)'?|([^\s>"']+))""", re.I)
_PAGE_WORDS = frozenset(("noai", "noml", "noindex"))
_IMAGE_WORDS = frozenset(("noai", "noml", "noimageai", "noimageindex", "noindex"))
_VALUED = frozenset(("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"))
_USAGE = re.compile(r"(?:^|[,;\s])(train-ai|ai|genai|train-genai|tdm)\s*=\s*(?:n(?![\w-])|\?0)")
_SIGNAL = re.compile(r"(?:^|[,;\s])ai-train\s*=\s*no(?![\w-])")
_LEVELS = ("file", "header", "meta")
"""Places of a TDMRep signal; one in a later place overrides one in an earlier place."""


def signals_of_headers(headers: Iterable[tuple[str, str]], *, seen_at: str) -> tuple[Signal, ...]:
    """Return the signals in HTTP response headers: X-Robots-Tag, TDMRep, Content-Usage, Content-Signal."""
    found = [(name.lower(), value) for name, value in headers if name.lower() in SIGNAL_HEADERS]
    return tuple(
        Signal(name=SIGNAL_HEADERS[name], value=value.strip(), where="header", seen_at=seen_at) for name, value in found
    )


def signals_of_html(html: bytes, *, seen_at: str, limit: int = HTML_BYTES) -> tuple[Signal, ...]:
    """Return the signals in the meta elements of a page's first `limit` bytes."""
    found = []
    for match in _META.finditer(html[:limit]):
        name = _METAS.get(_value(_NAME, match[1]).lower())
        if name is not None:
            value = _value(_CONTENT, match[1])
            found.append(Signal(name=name, value=value, where="meta", seen_at=seen_at))
    return tuple(found)


def _value(pattern: re.Pattern[bytes], tag: bytes) -> str:
    match = pattern.search(tag)
    if match is None:
        return ""
    return (match[1] or match[2] or match[3] or b"").decode("utf-8", "replace").strip()


def robots_words(value: str) -> frozenset[str]:
    """Return the directives of a robots value that apply to us; those after the `agent:` of another agent do not.

    `none` means `noindex, nofollow`.
    """
    words: set[str] = set()
    ours = True
    for part in value.lower().split(","):
        agent, colon, rest = part.partition(":")
        if colon and agent.strip() not in _VALUED:
            ours = agent.strip() == TOKEN
            part = rest
        if ours:
            words.add(part.strip())
    return frozenset(words | {"noindex", "nofollow"} if "none" in words else words)


def tdm_reservation(signals: Iterable[Signal]) -> str | None:
    """Return the tdm-reservation in force (0 or 1): that of meta, else of the header, else of the file, else None."""
    value = None
    for level in _LEVELS:
        for signal in signals:
            if signal.name == "tdm-reservation" and signal.where == level and signal.value in ("0", "1"):
                value = signal.value
    return value


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
        if signal.name == "content-usage" and "train-ai" in honour and _USAGE.search(signal.value):
            return Rejected("opt_out_train_ai")
        if signal.name == "content-signal" and "ai-train" in honour and _SIGNAL.search(signal.value.lower()):
            return Rejected("opt_out_ai_train")
        if signal.name == "ai.txt" and "ai.txt" in honour:
            return Rejected("opt_out_ai_txt")
    if "tdm-reservation" in honour and tdm_reservation(signals) == "1":
        return Rejected("opt_out_tdm_reservation")
    return None
