"""Handlers of inline elements, links, line breaks and formulas, which do not end the run of text."""

from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading import texts
from corpusloom.pipelines.extract.reading.fast_walk.walker import Attributes, Ending, Walker


def start_inline(walker: Walker, tag: str, attributes: Attributes) -> Ending | None:
    """Skip an inline element that is hidden or marked as no text."""
    classes = attributes.get("class")
    if (classes and el.inline_is_skipped(classes)) or "hidden" in attributes:
        return walker.skip()
    style = attributes.get("style")
    return walker.skip() if style and el.style_hides(style) and "math" not in (classes or "") else None


def start_raised(walker: Walker, tag: str, attributes: Attributes) -> Ending | None:
    """Mark the start of a superscript or subscript, so that 2 to the power of 32 does not become 232."""
    ending = start_inline(walker, tag, attributes)
    if ending is None and walker.pieces:
        walker.after_link += walker.after_link == len(walker.pieces)
        walker.pieces.append(texts.RAISED[tag])
    return ending


def start_link(walker: Walker, tag: str, attributes: Attributes) -> Ending:
    """Open a link, whose characters are counted; adjacent links are separated by a blank."""
    ending = start_inline(walker, tag, attributes)
    if ending is not None:
        return ending
    href = attributes.get("href", "")
    if "creativecommons.org" in href and len(walker.page.licenses) < 100:
        walker.page.licenses.append((href, "license" in attributes.get("rel", "").lower().split()))
    if walker.pieces and walker.after_link == len(walker.pieces):
        walker.pieces.append(" ")
    walker.links.append(href)
    return _end_link, None


def _end_link(walker: Walker, _saved: None) -> None:
    if walker.links:
        walker.links.pop()
    walker.after_link = len(walker.pieces)


def start_break(walker: Walker, tag: str, attributes: Attributes) -> None:
    """Begin a new line; a second break in a row ends the run, like a paragraph."""
    pieces = walker.pieces
    at = len(pieces) - 1
    while at >= 0 and pieces[at].isspace():
        at -= 1
    if at >= 0 and pieces[at] == texts.BREAK and walker.context != "code":
        walker.flush()
    elif pieces or walker.context == "code":
        pieces.append(texts.BREAK)


def start_rule(walker: Walker, tag: str, attributes: Attributes) -> None:
    """End the run at a horizontal rule."""
    walker.flush()


def start_nothing(walker: Walker, tag: str, attributes: Attributes) -> None:
    """Do nothing, for elements that neither separate nor hide texts."""


def start_skipped(walker: Walker, tag: str, attributes: Attributes) -> Ending:
    """Skip the element with its contents."""
    return walker.skip()


def start_math(walker: Walker, tag: str, attributes: Attributes) -> Ending:
    """Open a formula."""
    return walker.start_formula(attributes.get("display") == "block")
