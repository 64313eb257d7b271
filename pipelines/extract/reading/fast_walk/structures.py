"""Handlers of structural elements: menus, lists, tables, figures, `noscript`, `template`."""

from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading.element_rules import first_count, is_figure, item_marker, with_caption
from corpusloom.pipelines.extract.reading.fast_walk.walker import Attributes, Ending, OpenFigure, OpenList, Walker
from corpusloom.pipelines.extract.reading.types import Section, Table, TextRun

# -- menus and footers -------------------------------------------------------------------------------------------------


def start_collapsed(walker: Walker, tag: str, attributes: Attributes) -> Ending | None:
    """Read a menu or footer as one run, one line per entry, without its images."""
    ending = walker.start_section(tag, attributes)
    walker.collapsed = walker.config.main_content
    return _end_collapsed, ending


def _end_collapsed(walker: Walker, ending: Ending) -> None:
    ending[0](walker, ending[1])
    walker.collapsed = False


def start_opening(walker: Walker, tag: str, attributes: Attributes) -> Ending | None:
    """Open an element that never occurs inside a menu; a menu that is still open ends here."""
    walker.collapsed = False
    return walker.start_section(tag, attributes)


# -- lists -------------------------------------------------------------------------------------------------------------


def start_list(walker: Walker, tag: str, attributes: Attributes) -> Ending | None:
    """Open a list."""
    ending = walker.start_section(tag, attributes)
    walker.numbers += 1
    count = first_count(attributes.get("start", "")) if tag == "ol" else 0
    walker.lists.append(OpenList(walker.numbers, tag == "ol", count, indent="  " * len(walker.lists)))
    if walker.tables:
        walker.tables[-1].block_children = True
    return _end_list, ending


def _end_list(walker: Walker, ending: Ending) -> None:
    ending[0](walker, ending[1])
    if walker.lists:
        walker.lists.pop()


def start_item(walker: Walker, tag: str, attributes: Attributes) -> Ending | None:
    """Open an item; an item outside of any list is a list of its own."""
    if walker.pieces:
        walker.flush()
    if not walker.lists:
        walker.numbers += 1
        walker.lists.append(OpenList(walker.numbers, False))
        return _end_list, start_item(walker, tag, attributes)
    innermost = walker.lists[-1]
    innermost.count += 1
    innermost.marker = item_marker(tag, innermost.ordered, innermost.count)
    return walker.start_section(tag, attributes)


# -- tables ------------------------------------------------------------------------------------------------------------


def start_table(walker: Walker, tag: str, attributes: Attributes) -> Ending | None:
    """Open a table."""
    ending = walker.start_section(tag, attributes)
    if walker.tables:
        walker.tables[-1].nested = True
    walker.numbers += 1
    table = Table(walker.numbers)
    walker.page.tables[table.number] = table
    walker.tables.append(table)
    return _end_table, ending


def _end_table(walker: Walker, ending: Ending) -> None:
    ending[0](walker, ending[1])
    if walker.tables:
        walker.tables.pop()


def start_row(walker: Walker, tag: str, attributes: Attributes) -> Ending | None:
    """Open a row."""
    ending = walker.start_section(tag, attributes)
    if walker.tables:
        table = walker.tables[-1]
        table.rows, table.column, table.runs_in_cell = table.rows + 1, -1, 0
    return ending


def start_cell(walker: Walker, tag: str, attributes: Attributes) -> Ending | None:
    """Open a cell."""
    ending = walker.start_section(tag, attributes)
    if walker.tables:
        table = walker.tables[-1]
        table.column += 1
        table.columns = max(table.columns, table.column + 1)
        table.runs_in_cell = 0
        table.headed = table.headed or tag == "th"
    return ending


def start_table_caption(walker: Walker, tag: str, attributes: Attributes) -> Ending | None:
    """Open the caption of a table, which makes it a data table."""
    if walker.tables:
        walker.tables[-1].headed = True
    return walker.start_section(tag, attributes)


# -- figures -----------------------------------------------------------------------------------------------------------


def start_div(walker: Walker, tag: str, attributes: Attributes) -> Ending | None:
    """Open a `div` as a figure if its class says so, else as a section."""
    if is_figure(tag, attributes.get("class", "")):
        return start_figure(walker, tag, attributes)
    return walker.start_section(tag, attributes)


def start_figure(walker: Walker, tag: str, attributes: Attributes) -> Ending | None:
    """Open a figure. Its caption is set on its images without one; if it has no image, the caption becomes a text."""
    ending = walker.start_section(tag, attributes)
    walker.figures.append(OpenFigure())
    return _end_figure, ending


def _end_figure(walker: Walker, ending: Ending) -> None:
    if walker.pieces:
        walker.flush()
    figure = walker.figures.pop()
    caption = " ".join(figure.caption)
    if caption and figure.images:
        for run in figure.images:
            if run.image is not None and not run.image.caption:
                run.image = with_caption(run.image, caption)
    elif caption:
        walker.page.runs.append(TextRun("caption", caption, walker.section.index, walker.section.flags))
    if walker.figures:
        walker.figures[-1].images.extend(figure.images)
    ending[0](walker, ending[1])


# -- noscript and template ---------------------------------------------------------------------------------------------


def start_noscript(walker: Walker, tag: str, attributes: Attributes) -> Ending:
    """Open a `noscript`. Its texts become runs of their own; the run around it continues afterwards."""
    walker.noscript += 1
    walker.noscript_images = walker.images if walker.follows_image() and not walker.pieces else -1
    before = (walker.section, walker.context, walker.outer)
    walker.outer, walker.pieces, walker.link_chars = (walker.pieces, walker.link_chars), [], 0
    around, sections = walker.section, walker.page.sections
    flags, depth = around.flags | el.NOSCRIPT, around.depth + 1
    walker.section = Section(len(sections), around.index, tag, "", flags, depth, len(walker.page.runs))
    sections.append(walker.section)
    return _end_noscript, before


def _end_noscript(walker: Walker, before: tuple[Section, str, tuple[list[str], int]]) -> None:
    walker.flush()
    walker.section.last = len(walker.page.runs)
    walker.pieces, walker.link_chars = walker.outer
    walker.noscript -= 1
    walker.section, walker.context, walker.outer = before


def start_template(walker: Walker, tag: str, attributes: Attributes) -> Ending | None:
    """Open a template if it is a declarative shadow root, which browsers show; skip any other."""
    return walker.start_section(tag, attributes) if "shadowrootmode" in attributes else walker.skip()
