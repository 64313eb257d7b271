"""Boilerplate filter: finds cookie banners, share bars, "read more" labels and sign-up boxes among a page's blocks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from corpusloom.schemas.config import threshold
from corpusloom.schemas.records import Block

_COOKIES = re.compile(
    r"\b(?:we|our partners|(?:this|our) (?:web)?site)\b[^.]{0,60}\bcookies?\b"
    r"|\b(?:accept|reject|manage|allow|decline)(?: all| our| the| your| non-essential)* cookies?\b"
    r"|\bcookies?\b.{0,80}\bby continuing\b|\bby continuing\b.{0,80}\bcookies?\b",
    re.I | re.S,
)
_COOKIE_LABEL = re.compile(
    r"(?:manage |your |our |privacy (?:&|and) )*cookies? (?:policy|settings|preferences|consent|notice)[.!]?", re.I
)
_READ_MORE = re.compile(
    r"(?:(?:click (?:here )?to )?(?:read|view|see|show|load|learn|find out) "
    r"(?:more|all|less|the full (?:story|article|post))"
    r"|continue reading|full (?:story|article)|more (?:info|details)|keep reading)\b[\s.…›»→>]*(?:about .{0,60})?",
    re.I,
)
_SIGN_UP = re.compile(
    r"(?:please |don't miss out[.!:]? )?(?:sign up|subscribe|join)\b[^.]{0,60}"
    r"\b(?:newsletters?|mailing list|e-?mails?|updates|inbox)\b"
    r"|(?:please )?(?:enter )?your e-?mail address\b",
    re.I,
)
_COPYRIGHT = re.compile(r"(?:©|\(c\)|copyright\b)[^.]{0,40}\d{4}", re.I)
_RIGHTS = re.compile(r"\ball rights reserved\b", re.I)
_LEGAL_LINKS = re.compile(
    r"\b(?:terms of (?:use|service)|privacy (?:policy|notice)|cookie policy|contact us|sitemap)\b"
)
_BACK_TO_TOP = re.compile(
    r"(?:back|skip|jump|return|go) to (?:the )?(?:top|content|main content|navigation|menu)", re.I
)
_SHARE_NAMES = frozenset(
    ("share", "tweet", "facebook", "twitter", "instagram", "pinterest", "linkedin", "whatsapp", "reddit", "tumblr")
)
_SHARE_WORDS = _SHARE_NAMES | {
    *("shares", "sharing", "tweets", "x", "telegram", "email", "e-mail", "mail", "print", "pin", "like", "likes"),
    *("follow", "us", "on", "this", "page", "article", "post", "via", "copy", "link", "save", "messenger", "sms"),
}
MAX_SHARE_BAR = 60
"""A block with more words than this is not a share bar."""
VERSION = 1
_WORD = re.compile(r"[^\W_][\w'’-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class BoilerplateConfig:
    """Thresholds of the boilerplate filter. The papers publish no values; ours are in the recipes."""

    max_notice_words: int | None = threshold()
    """Words of a cookie, copyright or sign-up notice, at most: a longer block is an article about it. Absent: notices
    are kept."""
    max_label_words: int | None = threshold()
    """Words of a "read more" or "back to top" label, at most. Absent: labels are kept."""
    min_share_words: float | None = threshold()
    """Share of a block's words that are words of share bars, at least. Absent: share bars are kept."""
    kinds: tuple[str, ...] = ("paragraph", "list", "other", "heading", "table")
    """Kinds of block that may be dropped; code, quotes and captions are always kept (ours)."""


@dataclass(frozen=True, slots=True)
class DroppedBlock:
    """A dropped block: its index in the page, the reason, and the measured value (words of the block)."""

    index: int
    reason: str
    measured: float


def judge_block(block: Block, config: BoilerplateConfig) -> str | None:
    """Return why a block is boilerplate (cookie_notice, share_bar, read_more ...), or None; None for an image."""
    if block.text is None or block.kind not in config.kinds:
        return None
    return boilerplate_reason(block.text, config)


def boilerplate_reason(text: str, config: BoilerplateConfig) -> str | None:
    """Return why a text is boilerplate, or None."""
    words = [word.lower() for word in _WORD.findall(text)]
    is_label = config.max_label_words is not None and len(words) <= config.max_label_words
    if is_label:
        label = " ".join(text.split())
        if _READ_MORE.fullmatch(label):
            return "read_more"
        if _BACK_TO_TOP.fullmatch(label):
            return "back_to_top"
    if len(words) <= MAX_SHARE_BAR and _is_share_bar(words, config):
        return "share_bar"
    if config.max_notice_words is None or len(words) > config.max_notice_words:
        return None
    return _notice_reason(text.strip(), is_label)


def _notice_reason(text: str, is_label: bool) -> str | None:
    """Return the kind of notice that a short text is, or None.

    Sign-up and copyright phrases count only at the start of the text: a sentence may mention them further on.
    """
    if _COOKIES.search(text) or (is_label and _COOKIE_LABEL.fullmatch(text)):
        return "cookie_notice"
    if _SIGN_UP.match(text):
        return "sign_up"
    if _COPYRIGHT.match(text) or _RIGHTS.search(text):
        return "copyright"
    if len(set(_LEGAL_LINKS.findall(text.lower()))) >= 2:
        return "legal_links"
    return None


def _is_share_bar(words: Sequence[str], config: BoilerplateConfig) -> bool:
    if config.min_share_words is None or not words or not _SHARE_NAMES.intersection(words):
        return False
    return sum(word in _SHARE_WORDS for word in words) >= config.min_share_words * len(words)


def boilerplate_blocks(blocks: Sequence[Block], config: BoilerplateConfig) -> tuple[DroppedBlock, ...]:
    """Return the blocks of a page that are boilerplate, in order, each with its reason."""
    dropped = []
    for index, block in enumerate(blocks):
        if (reason := judge_block(block, config)) is not None:
            dropped.append(DroppedBlock(index, reason, float(len((block.text or "").split()))))
    return tuple(dropped)
