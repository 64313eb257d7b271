"""Selects the main content of a page, with a reason for each run that is dropped.

The block classifier or rules (tags, class words, links) select texts; images are chosen by the texts around them
(`image_choice.py`).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from corpusloom.pipelines.extract.content import classifier, features, image_choice
from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading.types import ExtractConfig, RawPage, TextRun

Reasons = list[str | None]
"""Per run None if it is kept, else the reason why it is dropped."""

_LINK_SHARE = 0.5
_SHORT = 80
_ALIKE = 4
"""At least this many texts of one look are kept or dropped together."""
_SOME_TEXT = 500
"""A flag is ignored only if at least this many characters carry it; pages with less text are filled by scripts."""
_MARK_SHARES = {
    el.HIDDEN: 0.9,  # a script shows the page after it has loaded
    **dict.fromkeys((el.NAV, el.HEADER, el.FOOTER, el.ASIDE, el.FORM, el.DIALOG, el.COMMENTS), 0.8),
    **dict.fromkeys((el.RELATED, el.SOCIAL, el.COOKIE, el.ADVERT, el.META_LINE), 0.8),
}
"""If at least this share of the text carries a flag, the flag describes the layout ("has-sidebar") and is ignored."""
_MARKS, _SHARES = np.array(list(_MARK_SHARES)), np.array(list(_MARK_SHARES.values()))
_ALL_MARKS = sum(_MARK_SHARES)
_REPEATED = 40
"""Repeated texts of at least this many characters are kept once."""


def choose(page: RawPage, runs: list[TextRun], config: ExtractConfig) -> Reasons:
    """Return per run None to keep it, or the reason to drop it."""
    clear_layout_flags(runs)
    if not config.main_content:
        return ["hidden" if is_hidden(run) else None for run in runs]
    reasons = _choose_texts(page, runs, config)
    if _clear_only_sign(page, runs, reasons):
        reasons = _choose_texts(page, runs, config)
    _drop_repeated(runs, reasons)
    image_choice.follow_texts(page, runs, reasons)
    return reasons


def _choose_texts(page: RawPage, runs: list[TextRun], config: ExtractConfig) -> Reasons:
    return _learned(page, runs, config) if config.method == "learned" else [rule_reason(run) for run in runs]


def _clear_only_sign(page: RawPage, runs: Sequence[TextRun], reasons: Reasons) -> bool:
    """Remove from the runs, in place, the flags by which the page loses its whole text; return whether there are any.

    Such flags say nothing of a part of the page: a class such as "page-overlay" stands around all of it. Menus, footers
    and hidden texts stay dropped, and so do links and texts too short for a paragraph.
    """
    kept = sum(len(run.text) for run, reason in zip(runs, reasons, strict=True) if reason is None and not run.level)
    if kept >= _SHORT:
        return False
    marked = [run for run in runs if run.flags & _ALL_MARKS and page.sections[run.section].tag not in el.COLLAPSED]
    lost: Counter[int] = Counter()
    for run in marked:
        if not run.flags & el.HIDDEN and 2 * run.link_chars < len(run.text):
            lost[run.flags & _ALL_MARKS] += len(run.text) - run.link_chars
    signs, chars = lost.most_common(1)[0] if lost else (0, 0)
    if chars < _SHORT:
        return False
    for run in marked:
        run.flags &= ~signs
    return True


def clear_layout_flags(runs: Sequence[TextRun]) -> None:
    """Remove from the runs, in place, each flag that nearly all text of the page carries."""
    chars = np.array([len(item.text) for item in runs])
    flags = np.array([item.flags for item in runs])
    marked = chars @ ((flags[:, None] & _MARKS) > 0)
    cleared = int(_MARKS[(marked >= _SHARES * chars.sum()) & (marked >= _SOME_TEXT)].sum())
    if cleared:
        for item in runs:
            item.flags &= ~cleared


def is_hidden(run: TextRun) -> bool:
    """Return whether a run is a text that browsers with scripts enabled do not show."""
    return bool(run.flags & (el.HIDDEN | el.NOSCRIPT)) and run.image is None


def rule_reason(run: TextRun) -> str | None:
    """Return the reason why elements, class words or links exclude a text from main content, or None."""
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
    if not kept.any():  # an unusual page, on which the classifier finds no main content
        return [rule_reason(run) for run in runs]
    return [None if keep else rule_reason(run) or "boilerplate" for keep, run in zip(kept.tolist(), runs, strict=True)]


def share_among_alike(
    page: RawPage, runs: Sequence[TextRun], probabilities: features.Floats, lengths: features.Floats
) -> features.Floats:
    """Return probabilities averaged over texts of one look, weighted by words, so that all or none are kept.

    Texts have one look if they have equal kinds and equal tags and classes of the three elements around them, like the
    cards of a listing.
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
    page: RawPage, runs: Sequence[TextRun], probabilities: features.Floats, lengths: features.Floats
) -> None:
    """Set one probability for all rows of a data table and its caption, in place, so that all or none are kept.

    It is their mean, or the mean of the texts right before and after the table if that is higher.
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
    """Drop repeated texts but the first, since pages repeat texts for narrow screens, print and sharing.

    A heading is compared with headings only, since a table of contents repeats its text.
    """
    seen: set[tuple[bool, str]] = set()
    for row, run in enumerate(runs):
        if reasons[row] is None and len(run.text) >= _REPEATED:
            text = (run.level is not None, run.text)
            if text in seen:
                reasons[row] = "repeated"
            seen.add(text)
