"""Rules of inline elements, links, line breaks and formulas, which do not end the run of text."""

from bs4.element import Tag

from corpusloom.pipelines.extract.reading import element_rules, texts
from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading.reference_walk.reader import Reader, attribute, is_hidden_inline


def transparent(reader: Reader, tag: Tag, depth: int) -> None:
    """Read the element's contents as part of the element around it."""
    reader.children(tag, depth + 1)


def raised(reader: Reader, tag: Tag, depth: int) -> None:
    """Mark the start of a superscript or subscript, so that 2 to the power of 32 does not become 232."""
    if not is_hidden_inline(tag):
        if reader.pieces:
            reader.pieces.append(texts.RAISED[tag.name])
        reader.children(tag, depth + 1)


def link(reader: Reader, tag: Tag, depth: int) -> None:
    """Read a link and count its characters; adjacent links are separated by a blank."""
    if is_hidden_inline(tag):
        return
    href = attribute(tag, "href")
    if "creativecommons.org" in href and len(reader.page.licenses) < 100:
        reader.page.licenses.append((href, "license" in attribute(tag, "rel").lower().split()))
    if reader.pieces and reader.after_link:
        reader.pieces.append(" ")
    reader.links.append(href)
    reader.children(tag, depth + 1)
    reader.links.pop()
    reader.after_link = True


def line_break(reader: Reader, tag: Tag, depth: int) -> None:
    """Begin a new line; a second break in a row ends the run, like a paragraph."""
    inked = [piece for piece in reader.pieces if not piece.isspace()]
    if reader.context != "code" and inked and inked[-1] == texts.BREAK:
        reader.flush()
    elif reader.pieces or reader.context == "code":
        reader.pieces.append(texts.BREAK)


def horizontal_rule(reader: Reader, tag: Tag, depth: int) -> None:
    """End the run at a horizontal rule."""
    reader.flush()


def math(reader: Reader, tag: Tag, depth: int) -> None:
    """Add the TeX of a formula if the page has it, else its plain text."""
    for child in tag.find_all(list(el.SKIPPED)):
        child.extract()
    notes = tag.find_all(lambda child: child.name.startswith("annotation"))
    tex = "".join(note.get_text() for note in notes if "tex" in attribute(note, "encoding").lower())
    for note in notes:
        note.extract()
    reader.pieces.append(element_rules.math_text(tex, tag.get_text(), attribute(tag, "display") == "block"))
