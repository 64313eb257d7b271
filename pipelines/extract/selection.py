"""Which candidates are the page's main content, with a reason for each that is not.

Texts are chosen by the block classifier or by rules (tags, class words, links); images follow the texts around them.
"""

import re
from collections.abc import Sequence

import numpy as np

from pipelines.extract import classifier, features
from pipelines.extract import elements as el
from pipelines.extract.blocks import Candidate, ExtractConfig, RawPage

Reasons = list[str | None]
"""For each candidate None to keep it, or why it is dropped."""

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
_REPEATED = 40
"""Characters from which a text that stands twice in a page is kept once."""
_ICON_SIDE = 48
"""An image declared smaller than this on both sides is an icon, in CSS pixels."""
_ICON = re.compile(
    r"(?:^|[^a-z])(logos?|icons?|sprites?|avatars?|gravatar|badges?|buttons?|btn|favicon|emoji|smil(?:ey|ies)|flags?|arrows?|"
    r"stars?|ratings?|social|share|spinner|loader|payment|advert\w*|banner-?ads?|qr-?code)(?:[^a-z]|$)",
    re.IGNORECASE,
)
_AVATAR_FOLDER = re.compile(r"gravatar\.com/|/avatars?/", re.IGNORECASE)
_ICON_FOLDER = re.compile(r"/(icons?|social|logos?|badges?|emojis?)/", re.IGNORECASE)
_THINGS = frozenset(("arrow", "arrows", "flag", "flags", "star", "stars"))
"""Signs that a picture may well show."""
_SIGN_WORDS = 3
_CONTEXT_CHARS = 60
"""Text that the surroundings of an image must hold before they speak for it."""


def choose(page: RawPage, candidates: list[Candidate], config: ExtractConfig) -> Reasons:
    """Return for each candidate None to keep it, or the reason to drop it."""
    if not config.main_content:
        return ["hidden" if is_hidden(candidate) else None for candidate in candidates]
    reasons = (
        _learned(page, candidates, config) if config.method == "learned" else [rule_reason(item) for item in candidates]
    )
    _drop_repeated(candidates, reasons)
    _follow_texts(page, candidates, reasons)
    return reasons


def is_hidden(candidate: Candidate) -> bool:
    """True for what a reader with scripts on does not see."""
    return bool(candidate.flags & (el.HIDDEN | el.NOSCRIPT)) and candidate.image is None


def rule_reason(candidate: Candidate) -> str | None:
    """Return why a text is not main content by its place, class words or links, or None."""
    for flag, reason in _PLACES:
        if candidate.flags & flag:
            return reason
    if not candidate.flags & (el.ARTICLE | el.MAIN):
        for flag, reason in _OUTSIDE_ARTICLE:
            if candidate.flags & flag:
                return reason
    if candidate.kind != "heading":
        length = len(candidate.text)
        if length < _SHORT and candidate.link_chars >= _LINK_SHARE * length:
            return "links"
    return None


def _learned(page: RawPage, candidates: list[Candidate], config: ExtractConfig) -> Reasons:
    seen = features.features_of(page, candidates)
    probabilities = classifier.probabilities(seen, classifier.networks(config.weights))
    lengths = np.array([item.text.count(" ") + 1 if item.text else 0 for item in candidates], np.float32)
    _share_in_tables(page, candidates, probabilities, lengths)
    kept = classifier.kept(probabilities, lengths) & (lengths > 0)
    if not kept.any():  # nothing looks like main content: a page of an unknown kind
        return [rule_reason(candidate) for candidate in candidates]
    return [
        None if keep else rule_reason(candidate) or "boilerplate"
        for keep, candidate in zip(kept.tolist(), candidates, strict=True)
    ]


def _share_in_tables(
    page: RawPage, candidates: Sequence[Candidate], probabilities: classifier.Floats, lengths: classifier.Floats
) -> None:
    """Give all rows of a data table and its caption one probability: a table stays or goes as a whole.

    It is their mean, or that of the texts right before and after the table where it is higher.
    """
    rows: dict[int, list[int]] = {}
    for row, candidate in enumerate(candidates):
        if candidate.table and candidate.image is None and page.tables[candidate.table].is_data:
            rows.setdefault(candidate.table, []).append(row)
    texts = np.nonzero(lengths > 0)[0]
    for places in rows.values():
        mean = np.average(probabilities[places], weights=lengths[places] + 1)
        before, after = texts[texts < places[0]][-1:], texts[texts > places[-1]][:1]
        around = probabilities[[*before, *after]].mean() if len(before) and len(after) else 0.0
        probabilities[places] = max(mean, around)


def _drop_repeated(candidates: Sequence[Candidate], reasons: Reasons) -> None:
    """Keep a text once: pages repeat theirs for narrow screens, print and sharing."""
    seen: set[str] = set()
    for row, candidate in enumerate(candidates):
        if reasons[row] is None and len(candidate.text) >= _REPEATED:
            if candidate.text in seen:
                reasons[row] = "repeated"
            seen.add(candidate.text)


def _follow_texts(page: RawPage, candidates: Sequence[Candidate], reasons: Reasons) -> None:
    """Keep an image when the smallest part of the page around it that has text is mostly kept, icons apart."""
    places = [row for row, item in enumerate(candidates) if item.image is not None]
    if not places:
        return
    chars = np.array([len(item.text) for item in candidates], np.int64)
    kept = chars * np.array([reason is None for reason in reasons])
    sums = np.zeros((len(candidates) + 1, 2), np.int64)
    np.cumsum(np.column_stack([chars, kept]), axis=0, out=sums[1:])
    for row in places:
        reasons[row] = _image_reason(page, candidates, row, sums)


def _image_reason(page: RawPage, candidates: Sequence[Candidate], row: int, sums: np.ndarray) -> str | None:
    candidate = candidates[row]
    if is_icon(candidate):
        return "icon"
    if candidate.flags & el.HIDDEN:
        return "hidden"
    at = candidate.section
    while True:
        section = page.sections[at]
        chars, kept = (int(value) for value in sums[section.last] - sums[section.first])
        if chars >= _CONTEXT_CHARS or at == 0:
            break
        at = section.parent
    if chars and 2 * kept >= chars:
        return None
    if at == 0 and _between_kept(candidates, row, sums):
        return None
    return rule_reason(candidate) or "boilerplate"


def _between_kept(candidates: Sequence[Candidate], row: int, sums: np.ndarray) -> bool:
    """True when the three candidates on either side hold kept texts: an image between paragraphs of a flat page."""
    before, after = max(row - 3, 0), min(row + 4, len(candidates))
    return bool(sums[row][1] > sums[before][1] and sums[after][1] > sums[row][1])


def is_icon(candidate: Candidate) -> bool:
    """True for images that are signs rather than content, by declared size or words of address and alt text."""
    image = candidate.image
    if image is None:
        return False
    width, height = image.declared_width, image.declared_height
    if width is not None and height is not None and max(width, height) < _ICON_SIDE:
        return True
    path = image.url.partition("?")[0]
    name = path.rsplit("/", 1)[-1]
    if _AVATAR_FOLDER.search(path) or (name.endswith(".svg") and _ICON_FOLDER.search(path)):
        return True
    if _ICON.search(name):
        return True
    words = (image.alt_text or "")[:40]
    sign = _ICON.search(words)
    # "Star rating" names a sign, "a red star above the harbour" describes a picture.
    return sign is not None and (sign.group(1).lower() not in _THINGS or len(words.split()) <= _SIGN_WORDS)
