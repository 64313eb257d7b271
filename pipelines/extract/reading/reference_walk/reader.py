"""The state of the reference walk, and its recursion over BeautifulSoup's tree.

`Reader.element` chooses the rule of an element. Rules of single elements are plain functions over a `Reader`; `walk.py`
lists them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from bs4.element import Comment, Doctype, NavigableString, PageElement, ProcessingInstruction, Tag

from corpusloom.pipelines.extract.reading import element_rules, image_urls, texts
from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading.types import ExtractConfig, RawPage, Section, Table, TextRun

_NO_TEXT = (Comment, Doctype, ProcessingInstruction)
IN_COLLAPSED = frozenset(("html", "head", "body", "wbr", "a", "script", "title", "base", "meta", "link"))
"""Elements that have their own rules inside menus and footers; any other element begins a line there."""


class ElementRule(Protocol):
    """The rule of one element."""

    def __call__(self, reader: "Reader", tag: Tag, depth: int, /) -> None:
        """Read the element; `depth` is the number of elements around it."""


class Reader:
    """The state of one walk: the current run of text, and its position in sections, lists and tables.

    Args:
      url: The page's URL.
      config: Caps, and whether menus and footers are read as one run each.
      rules: Element name -> rule; any other element is a section.
    """

    def __init__(self, url: str, config: ExtractConfig, rules: Mapping[str, ElementRule]) -> None:
        self.url, self.config, self.rules = url, config, rules
        self.page = RawPage(base=url)
        self.section = Section(0, 0, "body", "", 0, 0)
        self.page.sections.append(self.section)
        self.context = "other"
        self.pieces: list[str] = []
        """Pieces of the current run of text."""
        self.link_chars = 0
        self.after_link = False
        """True right after the end of a link."""
        self.links: list[str] = []
        """Targets of the open links."""
        self.lists: list[tuple[int, bool, list[int]]] = []
        """(number, ordered, [count]) of each open list."""
        self.markers: list[str | None] = []
        """Per open list the marker of the next run of its item; None once it has been used."""
        self.collapsed = False
        """True inside a menu or footer that is read as one run."""
        self.tables: list[Table] = []
        self.figures: list[tuple[list[TextRun], list[str]]] = []
        """(images, captions) of each open figure."""
        self.picture: list[tuple[str, str]] = []
        """(srcset, type) of the `source` elements of the open `picture`."""
        self.noscript = 0
        """Number of open `noscript` elements."""
        self.noscript_images = -1
        """Number of images before the innermost `noscript` if an image stands right before it, else -1."""
        self.outer: tuple[list[str], int] = ([], 0)
        """(pieces, link characters) of the run around the innermost `noscript`."""
        self.images = self.image_elements = self.numbers = 0
        self.seen: set[str] = set()
        """URLs of the images so far."""
        self.has_base = False

    # -- the recursion ---------------------------------------------------------------------------------------------

    def children(self, tag: Tag, depth: int) -> None:
        """Read the contents of an element."""
        for child in tag.children:
            self.visit(child, depth)

    def visit(self, node: PageElement, depth: int) -> None:
        """Read an element or a text; skip comments, doctypes and processing instructions."""
        if isinstance(node, Tag):
            self.element(node, depth)
        elif isinstance(node, NavigableString) and not isinstance(node, _NO_TEXT):
            self.text(str(node))

    def element(self, tag: Tag, depth: int) -> None:
        """Apply the rule of an element; an element without a rule is a section."""
        name = tag.name
        if depth >= self.config.max_depth:
            self.too_deep(tag)
        elif name in el.INLINE:
            if not is_hidden_inline(tag):
                self.children(tag, depth + 1)
        elif name in texts.RAISED:
            self.rules[name](self, tag, depth)
        elif self.collapsed and name not in IN_COLLAPSED and name not in el.OPENING:
            self.line(tag, depth)
        elif name in self.rules:
            self.rules[name](self, tag, depth)
        elif name in el.SKIPPED:
            pass
        elif ":" in name:
            self.children(tag, depth + 1)
        else:
            with self.in_section(tag):
                self.children(tag, depth + 1)

    def line(self, tag: Tag, depth: int) -> None:
        """Begin a new line of the run of a menu or footer."""
        if tag.name in el.SKIPPED or tag.name in ("noscript", "template", "math"):
            return
        if self.pieces:
            self.pieces.append(texts.BREAK)
            self.after_link = False
        self.children(tag, depth + 1)

    def too_deep(self, tag: Tag) -> None:
        """Read only the text of an element below the depth cap."""
        left: list[PageElement] = [tag]
        while left:
            node = left.pop()
            if isinstance(node, Tag):
                if node.name not in el.SKIPPED:
                    left.extend(reversed(node.contents))
            elif isinstance(node, NavigableString) and not isinstance(node, _NO_TEXT):
                self.text(str(node))

    def text(self, text: str) -> None:
        """Add a text to the current run."""
        if not self.pieces and text.isspace() and self.context != "code":
            return
        self.pieces.append(text)
        self.after_link = False
        if self.links:
            self.link_chars += len("".join(text.split()))

    # -- sections --------------------------------------------------------------------------------------------------

    @contextmanager
    def in_section(self, tag: Tag) -> Iterator[None]:
        """Open a block-level element while the block runs; runs of text end at its borders."""
        self.flush()
        before = (self.section, self.context)
        classes, flags = element_rules.section_words(tag.name, attributes_of(tag), self.section.flags)
        self.open_section(tag.name, classes, flags)
        follows_image, in_figure = self.follows_image(), bool(self.figures)
        self.context = element_rules.context_of(tag.name, classes, self.context, follows_image, in_figure)
        self.add_background(tag)
        yield
        self.flush()
        self.section.last = len(self.page.runs)
        self.section, self.context = before

    def open_section(self, name: str, classes: str, flags: int) -> None:
        """Add a section inside the current one, and make it the current one."""
        sections = self.page.sections
        place = (self.section.depth + 1, len(self.page.runs))
        self.section = Section(len(sections), self.section.index, name, classes, flags, *place)
        sections.append(self.section)

    # -- runs of text ----------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """End the current run of text: add it to the page, or set it as the caption of a figure or image."""
        raw, link_chars = "".join(self.pieces), self.link_chars
        self.pieces, self.link_chars, self.after_link = [], 0, False
        text = texts.preformatted(raw) if self.context == "code" else texts.inline(raw)
        if not text:
            return
        if len(self.page.runs) >= self.config.max_blocks:
            self.page.truncated = True
        elif self.context != "caption" or not self.add_caption(text):
            self.page.runs.append(self.new_run(text, link_chars))

    def new_run(self, text: str, link_chars: int) -> TextRun:
        """Return a text with its kind, and its position in a list or table."""
        run = TextRun(self.context, text, self.section.index, self.section.flags, link_chars)
        if self.context in el.HEADINGS:
            run.kind, run.level = "heading", el.HEADINGS[self.context]
            run.text = text.rstrip("¶#§ ") or text
        elif self.context == "table_caption":
            run.kind = "caption"
        elif self.context == "list" and self.lists:
            marker, self.markers[-1] = self.markers[-1], None
            run.listing = self.lists[0][0]
            run.prefix = "  " * (len(self.lists) - 1) + ("  " if marker is None else marker)
        self.place_in_table(run)
        return run

    def place_in_table(self, run: TextRun) -> None:
        """Set the cell of a run inside a table."""
        if self.tables:
            table = self.tables[-1]
            run.table, run.row, run.column = table.number, table.rows, table.column
            if run.image is None:
                table.runs_in_cell += 1
                table.block_children |= table.runs_in_cell > 1 or run.kind == "heading"

    def add_caption(self, text: str) -> bool:
        """Add a caption to the open figure, else to the image right before it; return False if there is neither."""
        if self.figures:
            self.figures[-1][1].append(text)
            return True
        last = self.page.runs[-1] if self.page.runs else None
        if last is None or last.image is None or last.image.caption:
            return False
        last.image = element_rules.with_caption(last.image, text)
        return True

    def flush_outer(self) -> None:
        """End the run around a `noscript` before an image inside it is added."""
        pieces, link_chars = self.outer
        if pieces:
            inner, section = (self.pieces, self.link_chars), self.section
            self.pieces, self.link_chars, self.section = pieces, link_chars, self.page.sections[self.section.parent]
            self.flush()
            (self.pieces, self.link_chars), self.section = inner, section
            self.outer = ([], 0)

    # -- images ----------------------------------------------------------------------------------------------------

    def follows_image(self) -> bool:
        """Return whether the last run is an image."""
        return bool(self.page.runs) and self.page.runs[-1].image is not None

    def add_background(self, tag: Tag) -> None:
        """Add the CSS background of an element that is marked as an image (role=img or aria-label)."""
        attributes = attributes_of(tag)
        is_image = "aria-label" in attributes or attributes.get("role") == "img"
        if self.config.background_images and is_image:
            url = image_urls.background(attributes, self.page.base)
            if url:
                self.add_image(url, "css", {**attributes, "alt": attributes.get("aria-label", "")})

    def add_image(self, url: str, source: str, attributes: dict[str, str]) -> None:
        """Add an image between the texts, unless the page has shown its URL before."""
        if url in self.seen:
            return
        if self.images >= self.config.max_images:
            self.page.truncated = True
            return
        self.seen.add(url)
        self.images += 1
        self.flush_outer()
        self.flush()
        hidden = el.HIDDEN if "hidden" in attributes or attributes.get("aria-hidden") == "true" else 0
        run = TextRun("image", "", self.section.index, self.section.flags | hidden)
        link = self.links[-1] if self.links else ""
        run.image = element_rules.image_ref(url, source, attributes, link, self.page.base)
        self.place_in_table(run)
        self.page.runs.append(run)
        if self.figures:
            self.figures[-1][0].append(run)


def attributes_of(tag: Tag) -> dict[str, str]:
    """Return the attributes of an element as texts."""
    return {name: str(value) for name, value in tag.attrs.items()}


def attribute(tag: Tag, name: str) -> str:
    """Return one attribute of an element, or an empty text."""
    return str(tag.attrs.get(name, ""))


def all_text(tag: Tag) -> str:
    """Return all text inside an element."""
    return "".join(str(node) for node in tag.descendants if isinstance(node, NavigableString))


def is_hidden_inline(tag: Tag) -> bool:
    """Return whether an inline element is hidden or marked as no text."""
    classes, style = attribute(tag, "class"), attribute(tag, "style")
    if (classes and el.inline_is_skipped(classes)) or tag.has_attr("hidden"):
        return True
    return bool(style) and el.style_hides(style) and "math" not in classes
