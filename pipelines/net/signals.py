"""Owners' wishes: opt-out signals in headers, HTML and files, and what they decide."""

import re
from collections.abc import Collection, Iterable
from typing import Literal

from schemas.records import Signal
from schemas.verdicts import Rejected

TOKEN = "corpusloom"  # noqa: S105 - the name under which sites address us
HTML_BYTES = 65_536
_META = re.compile(rb"<meta\b[^>]*>", re.I)
_ATTRIBUTE = re.compile(rb"""([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""")
_PAGE_WORDS = frozenset(("noai", "noml", "noindex"))
_IMAGE_WORDS = frozenset(("noai", "noml", "noimageai", "noimageindex", "noindex"))
_USAGE = re.compile(r"\b(train-ai|ai|genai|train-genai|tdm)\s*=\s*(?:n\b|\?0)")
_SIGNAL = re.compile(r"\bai-train\s*=\s*no\b")


def signals_of_headers(headers: Iterable[tuple[str, str]], *, seen_at: str) -> tuple[Signal, ...]:
    """Return the signals in HTTP response headers: X-Robots-Tag, tdm-reservation, Content-Usage."""
    known = {"x-robots-tag": "robots", "tdm-reservation": "tdm-reservation", "tdm-policy": "tdm-policy"}
    known |= {"content-usage": "content-usage", "content-signal": "content-signal"}
    return tuple(
        Signal(name=known[name.lower()], value=value.strip(), where="header", seen_at=seen_at)
        for name, value in headers
        if name.lower() in known
    )


def signals_of_html(html: bytes, *, seen_at: str) -> tuple[Signal, ...]:
    """Return the signals in a page's meta elements, looking at its first 64 KiB."""
    names = {"robots": "robots", TOKEN: "robots", "tdm-reservation": "tdm-reservation", "tdm-policy": "tdm-policy"}
    found = []
    for tag in _META.findall(html[:HTML_BYTES]):
        attributes = {
            name.decode("latin-1").lower(): (a or b or c).decode("utf-8", "replace")
            for name, a, b, c in _ATTRIBUTE.findall(tag)
        }
        name = names.get(attributes.get("name", "").strip().lower())
        if name is not None:
            value = attributes.get("content", "").strip()
            found.append(Signal(name=name, value=value, where="meta", seen_at=seen_at))
    return tuple(found)


def robots_words(value: str) -> frozenset[str]:
    """Return the directives of a robots value that concern us: `agent: words` of another agent do not."""
    agent, colon, rest = value.partition(":")
    if colon and re.fullmatch(r"[\w-]+", agent.strip()) and agent.strip().lower() not in ("unavailable_after",):
        if agent.strip().lower() != TOKEN:
            return frozenset()
        value = rest
    words = frozenset(word.strip().lower() for word in value.split(","))
    return words | {"noindex"} if "none" in words else words


def opt_out(signals: Iterable[Signal], honour: Collection[str], *, unit: Literal["page", "image"]) -> Rejected | None:
    """Return the rejection that the signals ask for, for a page or for images; the most restrictive wins.

    `honour` names the signals that reserve rights: noai, noml, noindex (pages and images), noimageai and
    noimageindex (images alone), train-ai (Content-Usage), ai-train (Content-Signal), tdm-reservation.
    """
    refusing = (_PAGE_WORDS if unit == "page" else _IMAGE_WORDS).intersection(honour)
    for signal in signals:
        words = robots_words(signal.value) & refusing if signal.name == "robots" else frozenset()
        if words:
            return Rejected(f"opt_out_{min(words)}")
        if signal.name == "tdm-reservation" and signal.value == "1" and "tdm-reservation" in honour:
            return Rejected("opt_out_tdm_reservation")
        if signal.name == "content-usage" and _USAGE.search(signal.value) and "train-ai" in honour:
            return Rejected("opt_out_train_ai")
        if signal.name == "content-signal" and _SIGNAL.search(signal.value.lower()) and "ai-train" in honour:
            return Rejected("opt_out_ai_train")
    return None
