"""Which runs are the page's main content, with a reason for each that is not.

Texts are chosen by the block classifier or by rules (tags, class words, links); images follow the texts around them
(`image_choice.py`).
"""

from collections.abc import Sequence

import numpy as np

from corpusloom.pipelines.extract.content import classifier, features, image_choice
from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading.types import ExtractConfig, RawPage, TextRun

Reasons = list[str | None]
"""For each run None to keep it, or why it is dropped."""

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


def choose(page: RawPage, runs: list[TextRun], config: ExtractConfig) -> Reasons:
    """Return for each run None to keep it, or the reason to drop it."""
    clear_marks(runs)
    if not config.main_content:
        return ["hidden" if is_hidden(run) else None for run in runs]
    reasons = _learned(page, runs, config) if config.method == "learned" else [rule_reason(item) for item in runs]
    _drop_repeated(runs, reasons)
    image_choice.follow_texts(page, runs, reasons)
    return reasons


def clear_marks(runs: Sequence[TextRun]) -> None:
    """Take off the runs, in place, each mark that nearly all text of the page has."""
    chars = np.array([len(item.text) for item in runs])
    flags = np.array([item.flags for item in runs])
    marked = chars @ ((flags[:, None] & _MARKS) > 0)
    cleared = int(_MARKS[(marked >= _SHARES * chars.sum()) & (marked >= _SOME_TEXT)].sum())
    if cleared:
        for item in runs:
            item.flags &= ~cleared


def is_hidden(run: TextRun) -> bool:
    """True for what a reader with scripts on does not see."""
    return bool(run.flags & (el.HIDDEN | el.NOSCRIPT)) and run.image is None


def rule_reason(run: TextRun) -> str | None:
    """Return why a text is not main content by its place, class words or links, or None."""
    reason = image_choice.place_reason(run)
    if reason is None and run.kind != "heading":
        length = len(run.text)
        if length < _SHORT and run.link_chars >= _LINK_SHARE * length:
            return "links"
    return reason


def _learned(page: RawPage, runs: list[TextRun], config: ExtractConfig) -> Reasons:
    seen = features.features_of(page, runs)
    probabilities = classifier.probabilities(seen, classifier.networks(config.weights))
    lengths = np.array([item.text.count(" ") + 1 if item.text else 0 for item in runs], np.float32)
    probabilities = share_among_alike(page, runs, probabilities, lengths)
    _share_in_tables(page, runs, probabilities, lengths)
    kept = classifier.kept(probabilities, lengths) & (lengths > 0)
    if not kept.any():  # nothing looks like main content: a page of an unknown kind
        return [rule_reason(run) for run in runs]
    return [None if keep else rule_reason(run) or "boilerplate" for keep, run in zip(kept.tolist(), runs, strict=True)]


def share_among_alike(
    page: RawPage, runs: Sequence[TextRun], probabilities: classifier.Floats, lengths: classifier.Floats
) -> classifier.Floats:
    """Return probabilities in which texts of one look have their mean, by words: cards of a listing stay or go as one.

    Two texts look alike when they are of one kind and three elements around them have the same tags and class words.
    """
    sections = page.sections
    looks: dict[tuple[str, ...], int] = {}
    groups = np.empty(len(runs), np.int64)
    for row, run in enumerate(runs):
        section = sections[run.section]
        above = sections[section.parent]
        top = sections[above.parent]
        look = (section.tag, section.classes, above.tag, above.classes, top.tag, top.classes, run.kind)
        groups[row] = looks.setdefault(look, len(looks))
    weights = lengths + 0.5
    means = np.bincount(groups, probabilities * weights) / np.bincount(groups, weights)
    alike = (np.bincount(groups) >= _ALIKE)[groups]
    return np.where(alike, means[groups], probabilities).astype(np.float32)


def _share_in_tables(
    page: RawPage, runs: Sequence[TextRun], probabilities: classifier.Floats, lengths: classifier.Floats
) -> None:
    """Give all rows of a data table and its caption one probability: a table stays or goes as a whole.

    It is their mean, or that of the texts right before and after the table where it is higher.
    """
    rows: dict[int, list[int]] = {}
    for row, run in enumerate(runs):
        if run.table and run.image is None and page.tables[run.table].is_data:
            rows.setdefault(run.table, []).append(row)
    texts = np.nonzero(lengths > 0)[0]
    for places in rows.values():
        mean = np.average(probabilities[places], weights=lengths[places] + 1)
        before, after = texts[texts < places[0]][-1:], texts[texts > places[-1]][:1]
        around = probabilities[[*before, *after]].mean() if len(before) and len(after) else 0.0
        probabilities[places] = max(mean, around)


def _drop_repeated(runs: Sequence[TextRun], reasons: Reasons) -> None:
    """Keep a text once: pages repeat theirs for narrow screens, print and sharing.

    A heading counts apart from other texts: a table of contents names it, and it is still the heading.
    """
    seen: set[tuple[bool, str]] = set()
    for row, run in enumerate(runs):
        if reasons[row] is None and len(run.text) >= _REPEATED:
            text = (run.level is not None, run.text)
            if text in seen:
                reasons[row] = "repeated"
            seen.add(text)
