"""Which candidates are the page's main content, with a reason for each that is not.

Texts are chosen by the block classifier or by rules (tags, class words, links); images follow the texts around them
(`image_choice.py`).
"""

from collections.abc import Sequence

import numpy as np

from corpusloom.pipelines.extract.content import classifier, features, image_choice
from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading.types import Candidate, ExtractConfig, RawPage

Reasons = list[str | None]
"""For each candidate None to keep it, or why it is dropped."""

_LINK_SHARE = 0.5
_SHORT = 80
_ALIKE = 4
"""Texts of one look from which they share their fate."""
_SOME_TEXT = 500
"""Characters from which a page's marks are weighed; below, it is a shell that a script has yet to fill."""
_MARK_SHARES = {
    el.HIDDEN: 0.9,  # a script shows the page once it has loaded
    **dict.fromkeys((el.NAV, el.HEADER, el.FOOTER, el.ASIDE, el.FORM, el.DIALOG, el.COMMENTS), 0.8),
    **dict.fromkeys((el.RELATED, el.SOCIAL, el.COOKIE, el.ADVERT, el.META_LINE), 0.8),
}
"""Share of a page's text from which a mark says nothing of its parts: it is of the layout ("has-sidebar")."""
_MARKS, _SHARES = np.array(list(_MARK_SHARES)), np.array(list(_MARK_SHARES.values()))
_REPEATED = 40
"""Characters from which a text that stands twice in a page is kept once."""


def choose(page: RawPage, candidates: list[Candidate], config: ExtractConfig) -> Reasons:
    """Return for each candidate None to keep it, or the reason to drop it."""
    clear_marks(candidates)
    if not config.main_content:
        return ["hidden" if is_hidden(candidate) else None for candidate in candidates]
    reasons = (
        _learned(page, candidates, config) if config.method == "learned" else [rule_reason(item) for item in candidates]
    )
    _drop_repeated(candidates, reasons)
    image_choice.follow_texts(page, candidates, reasons)
    return reasons


def clear_marks(candidates: Sequence[Candidate]) -> None:
    """Take off the candidates, in place, each mark that nearly all text of the page has."""
    chars = np.array([len(item.text) for item in candidates])
    flags = np.array([item.flags for item in candidates])
    marked = chars @ ((flags[:, None] & _MARKS) > 0)
    cleared = int(_MARKS[(marked >= _SHARES * chars.sum()) & (marked >= _SOME_TEXT)].sum())
    if cleared:
        for item in candidates:
            item.flags &= ~cleared


def is_hidden(candidate: Candidate) -> bool:
    """True for what a reader with scripts on does not see."""
    return bool(candidate.flags & (el.HIDDEN | el.NOSCRIPT)) and candidate.image is None


def rule_reason(candidate: Candidate) -> str | None:
    """Return why a text is not main content by its place, class words or links, or None."""
    reason = image_choice.place_reason(candidate)
    if reason is None and candidate.kind != "heading":
        length = len(candidate.text)
        if length < _SHORT and candidate.link_chars >= _LINK_SHARE * length:
            return "links"
    return reason


def _learned(page: RawPage, candidates: list[Candidate], config: ExtractConfig) -> Reasons:
    seen = features.features_of(page, candidates)
    probabilities = classifier.probabilities(seen, classifier.networks(config.weights))
    lengths = np.array([item.text.count(" ") + 1 if item.text else 0 for item in candidates], np.float32)
    probabilities = share_among_alike(page, candidates, probabilities, lengths)
    _share_in_tables(page, candidates, probabilities, lengths)
    kept = classifier.kept(probabilities, lengths) & (lengths > 0)
    if not kept.any():  # nothing looks like main content: a page of an unknown kind
        return [rule_reason(candidate) for candidate in candidates]
    return [
        None if keep else rule_reason(candidate) or "boilerplate"
        for keep, candidate in zip(kept.tolist(), candidates, strict=True)
    ]


def share_among_alike(
    page: RawPage, candidates: Sequence[Candidate], probabilities: classifier.Floats, lengths: classifier.Floats
) -> classifier.Floats:
    """Return probabilities in which texts of one look have their mean, by words: cards of a listing stay or go as one.

    Two texts look alike when they are of one kind and three elements around them have the same tags and class words.
    """
    sections = page.sections
    looks: dict[tuple[str, ...], int] = {}
    groups = np.empty(len(candidates), np.int64)
    for row, candidate in enumerate(candidates):
        section = sections[candidate.section]
        above = sections[section.parent]
        top = sections[above.parent]
        look = (section.tag, section.classes, above.tag, above.classes, top.tag, top.classes, candidate.kind)
        groups[row] = looks.setdefault(look, len(looks))
    weights = lengths + 0.5
    means = np.bincount(groups, probabilities * weights) / np.bincount(groups, weights)
    alike = (np.bincount(groups) >= _ALIKE)[groups]
    return np.where(alike, means[groups], probabilities).astype(np.float32)


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
    """Keep a text once: pages repeat theirs for narrow screens, print and sharing.

    A heading counts apart from other texts: a table of contents names it, and it is still the heading.
    """
    seen: set[tuple[bool, str]] = set()
    for row, candidate in enumerate(candidates):
        if reasons[row] is None and len(candidate.text) >= _REPEATED:
            text = (candidate.level is not None, candidate.text)
            if text in seen:
                reasons[row] = "repeated"
            seen.add(text)
