"""Main content by rules: where a candidate stands, what its classes say, how much of it is links.

The learned choice (`classifier.py`) replaces these rules when its weights are there; both give a reason a candidate.
"""

from pipelines.extract import elements as el
from pipelines.extract.blocks import Candidate

_PLACES = (
    (el.HIDDEN, "hidden"),
    (el.NOSCRIPT, "noscript"),
    (el.NAV, "navigation"),
    (el.FOOTER, "footer"),
    (el.COOKIE, "notice"),
    (el.SOCIAL, "share_bar"),
    (el.RELATED, "related"),
    (el.DIALOG, "dialog"),
)
_OUTSIDE_ARTICLE = ((el.HEADER, "header"), (el.ASIDE, "aside"))
_LINK_SHARE = 0.5
_SHORT = 80


def by_rules(candidates: list[Candidate]) -> list[str | None]:
    """Return for each candidate None to keep it, or the reason to drop it."""
    return [reason_of(candidate) for candidate in candidates]


def reason_of(candidate: Candidate) -> str | None:
    """Return why a candidate is not main content, or None."""
    for flag, reason in _PLACES:
        if candidate.flags & flag:
            return reason
    if not candidate.flags & (el.ARTICLE | el.MAIN):
        for flag, reason in _OUTSIDE_ARTICLE:
            if candidate.flags & flag:
                return reason
    if candidate.image is None and candidate.kind != "heading":
        length = len(candidate.text)
        if length < _SHORT and candidate.link_chars >= _LINK_SHARE * length:
            return "links"
    return None


def is_hidden(candidate: Candidate) -> bool:
    """True for what a reader with scripts on does not see."""
    return bool(candidate.flags & (el.HIDDEN | el.NOSCRIPT)) and candidate.image is None
