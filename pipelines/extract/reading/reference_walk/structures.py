"""Rules of structural elements: menus, lists, tables, figures, `noscript`, `template`."""

from collections.abc import Iterator
from contextlib import contextmanager

from bs4.element import Tag

from corpusloom.pipelines.extract.reading import element_rules
from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading.reference_walk.reader import Reader, attribute
from corpusloom.pipelines.extract.reading.types import Table, TextRun


def collapsed(reader: Reader, tag: Tag, depth: int) -> None:
    """Read a menu or footer as one run, one line per entry, without its images."""
    with reader.in_section(tag):
        reader.collapsed = reader.config.main_content
        reader.children(tag, depth + 1)
    reader.collapsed = False


def opening(reader: Reader, tag: Tag, depth: int) -> None:
    """Read an element that never occurs inside a menu; a menu that is still open ends here."""
    reader.collapsed = False
    with reader.in_section(tag):
        reader.children(tag, depth + 1)


def listing(reader: Reader, tag: Tag, depth: int) -> None:
    """Read a list."""
    count = element_rules.first_count(attribute(tag, "start")) if tag.name == "ol" else 0
    with reader.in_section(tag), _in_list(reader, tag.name == "ol", count):
        if reader.tables:
            reader.tables[-1].block_children = True
        reader.children(tag, depth + 1)
        reader.flush()


@contextmanager
def _in_list(reader: Reader, ordered: bool, count: int = 0) -> Iterator[None]:
    reader.numbers += 1
    reader.lists.append((reader.numbers, ordered, [count]))
    reader.markers.append(None)
    yield
    reader.lists.pop()
    reader.markers.pop()


def item(reader: Reader, tag: Tag, depth: int) -> None:
    """Read an item; an item outside of any list is a list of its own."""
    reader.flush()
    if not reader.lists:
        with _in_list(reader, False):
            item(reader, tag, depth)
        return
    _number, ordered, count = reader.lists[-1]
    count[0] += 1
    reader.markers[-1] = element_rules.item_marker(tag.name, ordered, count[0])
    with reader.in_section(tag):
        reader.children(tag, depth + 1)


def table(reader: Reader, tag: Tag, depth: int) -> None:
    """Read a table."""
    with reader.in_section(tag):
        if reader.tables:
            reader.tables[-1].nested = True
        reader.numbers += 1
        opened = Table(reader.numbers)
        reader.page.tables[opened.number] = opened
        reader.tables.append(opened)
        reader.children(tag, depth + 1)
        reader.flush()
        reader.tables.pop()


def row(reader: Reader, tag: Tag, depth: int) -> None:
    """Read a row."""
    with reader.in_section(tag):
        if reader.tables:
            around = reader.tables[-1]
            around.rows, around.column, around.runs_in_cell = around.rows + 1, -1, 0
        reader.children(tag, depth + 1)


def cell(reader: Reader, tag: Tag, depth: int) -> None:
    """Read a cell."""
    with reader.in_section(tag):
        if reader.tables:
            around = reader.tables[-1]
            around.column, around.runs_in_cell = around.column + 1, 0
            around.columns = max(around.columns, around.column + 1)
            around.headed |= tag.name == "th"
        reader.children(tag, depth + 1)


def table_caption(reader: Reader, tag: Tag, depth: int) -> None:
    """Read the caption of a table, which makes it a data table."""
    if reader.tables:
        reader.tables[-1].headed = True
    with reader.in_section(tag):
        reader.children(tag, depth + 1)


def division(reader: Reader, tag: Tag, depth: int) -> None:
    """Read a `div` as a figure if its class says so, else as a section."""
    if element_rules.is_figure(tag.name, attribute(tag, "class")):
        figure(reader, tag, depth)
    else:
        with reader.in_section(tag):
            reader.children(tag, depth + 1)


def figure(reader: Reader, tag: Tag, depth: int) -> None:
    """Read a figure. Its caption is set on its images without one; if it has no image, the caption becomes a text."""
    with reader.in_section(tag):
        reader.figures.append(([], []))
        reader.children(tag, depth + 1)
        reader.flush()
        images, captions = reader.figures.pop()
        caption = " ".join(captions)
        for run in images:
            if caption and run.image and not run.image.caption:
                run.image = element_rules.with_caption(run.image, caption)
        if caption and not images:
            reader.page.runs.append(TextRun("caption", caption, reader.section.index, reader.section.flags))
        if reader.figures:
            reader.figures[-1][0].extend(images)


def noscript(reader: Reader, tag: Tag, depth: int) -> None:
    """Read a `noscript`. Its texts become runs of their own; the run around it continues afterwards."""
    reader.noscript += 1
    reader.noscript_images = reader.images if reader.follows_image() and not reader.pieces else -1
    before = (reader.section, reader.context, reader.outer)
    reader.outer, reader.pieces, reader.link_chars = (reader.pieces, reader.link_chars), [], 0
    reader.open_section(tag.name, "", reader.section.flags | el.NOSCRIPT)
    reader.children(tag, depth + 1)
    reader.flush()
    reader.section.last = len(reader.page.runs)
    reader.pieces, reader.link_chars = reader.outer
    reader.noscript -= 1
    reader.section, reader.context, reader.outer = before


def template(reader: Reader, tag: Tag, depth: int) -> None:
    """Read a template if it is a declarative shadow root, which browsers show; skip any other."""
    if tag.has_attr("shadowrootmode"):
        with reader.in_section(tag):
            reader.children(tag, depth + 1)
