"""The state of the fast walk: open elements, the current run of text, sections, images.

The parser calls `start`, `end`, `data` and `close`. Each element has a handler, a plain function over the `Walker`;
`walk.py` lists the handlers. Runs are in document order; CSS order, floats and absolute positions are ignored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading import image_urls, texts
from corpusloom.pipelines.extract.reading.element_rules import context_of, image_ref, section_words, with_caption
from corpusloom.pipelines.extract.reading.fast_walk.formulas import Formula
from corpusloom.pipelines.extract.reading.types import ExtractConfig, RawPage, Section, Table, TextRun

Attributes: TypeAlias = Mapping[str, str]


class Finish(Protocol):
    """An action at the end of an element."""

    def __call__(self, walker: "Walker", saved: Any, /) -> None:
        """Run the action; `saved` is the value that the element's handler returned with it."""


Ending: TypeAlias = tuple[Finish, Any]
"""(action at the element's end, its argument `saved`)"""


class Handler(Protocol):
    """An action at the start of an element."""

    def __call__(self, walker: "Walker", tag: str, attributes: Attributes, /) -> Ending | None:
        """Run the action; return the action at the element's end, or None."""


@dataclass(slots=True)
class OpenList:
    """An open list."""

    number: int
    ordered: bool
    count: int = 0
    """Number of the current item."""
    marker: str | None = None
    """Marker of the next run of the item; None once it has been used."""
    indent: str = ""


@dataclass(slots=True)
class OpenFigure:
    """An open figure: its images, and the texts of its caption."""

    images: list[TextRun] = field(default_factory=list)
    caption: list[str] = field(default_factory=list)


class Walker:
    """The state of one walk.

    Args:
      url: The page's URL.
      config: Caps, and whether menus and footers are read as one run each.
      handlers: Element name -> handler; any other element is a section.
      in_collapsed: Element name -> handler inside menus and footers; any other element begins a line there.
    """

    def __init__(
        self, url: str, config: ExtractConfig, handlers: Mapping[str, Handler], in_collapsed: Mapping[str, Handler]
    ) -> None:
        self.config, self.url, self.max_depth = config, url, config.max_depth
        self.handlers, self.in_collapsed = handlers, in_collapsed
        self.page = RawPage(base=url)
        self.section = Section(0, 0, "body", "", 0, 0)
        self.page.sections.append(self.section)
        self.context = "other"
        self.open: list[Ending | None] = []
        """Per open element the action at its end, or None."""
        self.pieces: list[str] = []
        """Pieces of the current run of text."""
        self.link_chars = 0
        self.links: list[str] = []
        """Targets of the open links."""
        self.after_link = -1
        """Number of pieces when the last link of the run ended."""
        self.skipping = False
        self.capture: list[str] | None = None
        """Texts of a skipped element whose text is read (title, JSON-LD); None for any other element."""
        self.formula: Formula | None = None
        self.collapsed = False
        """True inside a menu or footer that is read as one run."""
        self.lists: list[OpenList] = []
        self.tables: list[Table] = []
        self.figures: list[OpenFigure] = []
        self.picture: list[tuple[str, str]] = []
        """(srcset, type) of the `source` elements of the open `picture`."""
        self.noscript = 0
        """Number of open `noscript` elements."""
        self.outer: tuple[list[str], int] = ([], 0)
        """(pieces, link characters) of the run around the innermost `noscript`."""
        self.noscript_images = 0
        """Number of images before the innermost `noscript` if an image stands right before it, else -1."""
        self.numbers = self.images = self.image_elements = 0
        self.seen: set[str] = set()
        """URLs of the images so far."""
        self.has_base = False

    # -- events of the parser --------------------------------------------------------------------------------------

    def start(self, tag: str, attributes: Attributes) -> None:
        """Run the handler of an opening element, and store the action at its end."""
        ending = None
        if self.skipping:
            pass
        elif len(self.open) >= self.max_depth:
            ending = self.skip() if tag in el.SKIPPED else None
        elif self.formula is not None:
            ending = self._start_in_formula(self.formula, tag, attributes)
        elif self.collapsed and tag not in el.OPENING:
            if attributes or tag not in el.INLINE:
                ending = self.in_collapsed.get(tag, Walker.start_line)(self, tag, attributes)
        elif attributes or tag not in el.INLINE:
            ending = self.handlers.get(tag, Walker.start_section)(self, tag, attributes)
        self.open.append(ending)

    def end(self, tag: str) -> None:
        """Run the action at the end of an element."""
        ending = self.open.pop() if self.open else None
        if ending is not None:
            finish, saved = ending
            finish(self, saved)

    def data(self, text: str) -> None:
        """Add text between tags; the parser may pass one text in several pieces."""
        if self.skipping:
            if self.capture is not None:
                self.capture.append(text)
        elif self.formula is not None:
            self.formula.add(text)
        elif self.pieces or not text.isspace() or self.context == "code":
            self.pieces.append(text)
            if self.links:
                self.link_chars += len("".join(text.split()))

    def close(self) -> None:
        """Close all elements at the end of the source."""
        while self.open:
            self.end("")
        self.flush()
        self.page.sections[0].last = len(self.page.runs)

    # -- runs of text ----------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """End the current run of text: add it to the page, or set it as the caption of a figure or image."""
        pieces = self.pieces
        if not pieces:
            return
        raw = "".join(pieces)
        pieces.clear()
        link_chars, self.link_chars, self.after_link = self.link_chars, 0, -1
        context = self.context
        text = texts.preformatted(raw) if context == "code" else texts.inline(raw)
        if not text or len(self.page.runs) >= self.config.max_blocks:
            self.page.truncated = self.page.truncated or bool(text)
            return
        if context == "caption" and self._add_caption(text):
            return
        run = TextRun("other", text, self.section.index, self.section.flags, link_chars)
        self._place(run, context)
        self.page.runs.append(run)

    def _flush_outer(self) -> None:
        """End the run around a `noscript` before an image inside it is added."""
        pieces, link_chars = self.outer
        if pieces:
            inner, section = (self.pieces, self.link_chars), self.section
            self.pieces, self.link_chars, self.section = pieces, link_chars, self.page.sections[self.section.parent]
            self.flush()
            (self.pieces, self.link_chars), self.section = inner, section
            self.outer = ([], 0)

    def _place(self, run: TextRun, context: str) -> None:
        """Set the kind of a text, and its position in a list or table."""
        if context in el.HEADINGS:
            run.kind, run.level = "heading", el.HEADINGS[context]
            run.text = run.text.rstrip("¶#§ ") or run.text
        else:
            run.kind = "caption" if context == "table_caption" else context
        if context == "list" and self.lists:
            innermost = self.lists[-1]
            run.listing = self.lists[0].number
            run.prefix = innermost.indent + ("  " if innermost.marker is None else innermost.marker)
            innermost.marker = None
        self._place_in_table(run)

    def _place_in_table(self, run: TextRun) -> None:
        if not self.tables:
            return
        table = self.tables[-1]
        run.table, run.row, run.column = table.number, table.rows, table.column
        if run.image is None:
            table.runs_in_cell += 1
            table.block_children = table.block_children or table.runs_in_cell > 1 or run.kind == "heading"

    def _add_caption(self, text: str) -> bool:
        """Add a caption to the open figure, else to the image right before it; return False if there is neither."""
        if self.figures:
            self.figures[-1].caption.append(text)
            return True
        last = self.page.runs[-1] if self.page.runs else None
        if last is None or last.image is None or last.image.caption:
            return False
        last.image = with_caption(last.image, text)
        return True

    def follows_image(self) -> bool:
        """Return whether the last run is an image."""
        runs = self.page.runs
        return bool(runs) and runs[-1].image is not None

    # -- sections --------------------------------------------------------------------------------------------------

    def start_section(self, tag: str, attributes: Attributes) -> Ending | None:
        """Open a block-level element, at whose borders runs of text end."""
        if ":" in tag:  # o:p and other leftovers of word processors are inline
            return None
        if self.pieces:
            self.flush()
        parent, around = self.section, self.context
        sections, runs = self.page.sections, self.page.runs
        if attributes:
            classes, flags = section_words(tag, attributes, parent.flags)
            follows_image = bool(classes and runs) and runs[-1].image is not None
        else:
            classes, flags, follows_image = "", parent.flags | el.TAG_FLAGS.get(tag, 0), False
        section = Section(len(sections), parent.index, tag, classes, flags, parent.depth + 1, len(runs))
        sections.append(section)
        self.section = section
        self.context = context_of(tag, classes, around, follows_image, bool(self.figures))
        if attributes and ("aria-label" in attributes or ("role" in attributes and attributes["role"] == "img")):
            self._add_background(attributes)
        return Walker._end_section, (parent, around)

    def _end_section(self, before: tuple[Section, str]) -> None:
        if self.pieces:
            self.flush()
        self.section.last = len(self.page.runs)
        self.section, self.context = before

    def start_line(self, tag: str, attributes: Attributes) -> None:
        """Begin a new line of the run of a menu or footer."""
        if self.pieces:
            self.pieces.append(texts.BREAK)

    # -- elements whose text is not shown --------------------------------------------------------------------------

    def skip(self) -> Ending:
        """Skip an element with its contents."""
        self.skipping = True
        return Walker._end_skip, None

    def start_captured(self, done: Callable[[str], None]) -> Ending:
        """Skip an element, and pass its text to `done` at its end."""
        self.skipping, self.capture = True, []
        return Walker._end_skip, done

    def _end_skip(self, done: Callable[[str], None] | None) -> None:
        self.skipping = False
        captured, self.capture = self.capture, None
        if done is not None and captured is not None:
            done("".join(captured))

    # -- formulas --------------------------------------------------------------------------------------------------

    def start_formula(self, display: bool) -> Ending:
        """Open a `math` element."""
        self.formula = Formula(display)
        return Walker._end_formula, None

    def _start_in_formula(self, formula: Formula, tag: str, attributes: Attributes) -> Ending | None:
        if tag in el.SKIPPED:
            return self.skip()
        if not tag.startswith("annotation"):
            return None
        formula.open_annotation(attributes.get("encoding", ""))
        return Walker._end_annotation, None

    def _end_annotation(self, _saved: None) -> None:
        if self.formula is not None:
            self.formula.close_annotation()

    def _end_formula(self, _saved: None) -> None:
        formula, self.formula = self.formula, None
        if formula is not None:
            self.pieces.append(formula.as_text())

    # -- images ----------------------------------------------------------------------------------------------------

    def _add_background(self, attributes: Attributes) -> None:
        url = image_urls.background(attributes, self.page.base) if self.config.background_images else None
        if url:
            self.add_image(url, "css", {**attributes, "alt": attributes.get("aria-label", "")})

    def add_image(self, url: str, source: str, attributes: Attributes) -> None:
        """Add an image between the texts, unless the page has shown its URL before."""
        if url in self.seen:
            return
        if self.images >= self.config.max_images:
            self.page.truncated = True
            return
        self.seen.add(url)
        self.images += 1
        self._flush_outer()
        self.flush()
        hidden = el.HIDDEN if "hidden" in attributes or attributes.get("aria-hidden") == "true" else 0
        run = TextRun("image", "", self.section.index, self.section.flags | hidden)
        run.image = image_ref(url, source, attributes, self.links[-1] if self.links else "", self.page.base)
        self._place_in_table(run)
        self.page.runs.append(run)
        if self.figures:
            self.figures[-1].images.append(run)
