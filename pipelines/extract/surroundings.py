"""The text around an image on a page, of which pairs can be made.

It is the nearest text before the image and the nearest after it, inside the smallest block-level element around the
image that has such a text: a card of a gallery, a cell, an article, at last the page. Texts of menus, footers, notices
and share bars, captions, code, texts that are mostly links or shorter than `SHORTEST` do not count, and an image in
such a place has no surrounding text. No paper defines it; the rules are ours.
"""

from collections.abc import Sequence

from corpusloom.pipelines.extract.content.image_choice import place_reason
from corpusloom.pipelines.extract.content.selection import clear_layout_flags, is_hidden
from corpusloom.pipelines.extract.reading.types import RawPage, TextRun

MAX_CHARACTERS = 300
"""Characters before the image, and after it, at most; a longer text is cut between words, near the image."""
SHORTEST = 10
"""Characters of a text, at least: shorter ones are labels and prices."""


def surrounding_texts(page: RawPage) -> dict[str, str]:
    """Return image URL -> the text around the image; flags of the layout are removed from the runs in place."""
    clear_layout_flags(page.runs)
    before, after = _nearest(page.runs)
    found = {}
    for row, run in enumerate(page.runs):
        if run.image is not None and place_reason(run) is None:
            first, last = _element(page, run, before[row], after[row])
            parts = [
                _end(page.runs[before[row]].text) if before[row] >= first else "",
                _beginning(page.runs[after[row]].text) if after[row] < last else "",
            ]
            if any(parts):
                found[run.image.url] = " ".join(filter(None, parts))
    return found


def _nearest(runs: Sequence[TextRun]) -> tuple[list[int], list[int]]:
    """Return per run the index of the nearest text before it, else -1, and after it, else the number of runs."""
    are_texts = [_is_text(run) for run in runs]
    before, after = [], [len(runs)] * len(runs)
    last, following = -1, len(runs)
    for row, is_text in enumerate(are_texts):
        before.append(last)
        last = row if is_text else last
    for row in reversed(range(len(runs))):
        after[row] = following
        following = row if are_texts[row] else following
    return before, after


def _is_text(run: TextRun) -> bool:
    return (
        run.image is None
        and len(run.text) >= SHORTEST
        and run.kind not in ("caption", "code")
        and 2 * run.link_chars < len(run.text)
        and not is_hidden(run)
        and place_reason(run) is None
    )


def _element(page: RawPage, image: TextRun, before: int, after: int) -> tuple[int, int]:
    """Return the run range of the smallest element around an image that has one of two texts, else of the page."""
    at = image.section
    while True:
        section = page.sections[at]
        if at == section.parent or section.first <= before or after < section.last:
            return section.first, section.last
        at = section.parent


def _end(text: str) -> str:
    """Return the last words of a text."""
    return text if len(text) <= MAX_CHARACTERS else text[-MAX_CHARACTERS:].partition(" ")[2] or text[-MAX_CHARACTERS:]


def _beginning(text: str) -> str:
    """Return the first words of a text."""
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS].rpartition(" ")[0] or text[:MAX_CHARACTERS]
