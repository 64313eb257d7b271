"""The reference walk: the rules of `fast.py` as a plain recursion over BeautifulSoup's tree.

Each method reads as the rule it states; the fast walk is tested against it. Building the tree alone takes ten times as
long as the fast walk, so this serves as the yardstick of the fast walk and as its stand-in when that fails.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
from bs4.element import Comment, Doctype, NavigableString, PageElement, ProcessingInstruction, Tag

from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading import image_urls, rules, texts
from corpusloom.pipelines.extract.reading.types import Candidate, ExtractConfig, RawPage, Section, Table

_MAX_JSON_LD = 20
_NO_TEXT = (Comment, Doctype, ProcessingInstruction)


def walk(source: bytes, url: str, config: ExtractConfig) -> RawPage:
    """Walk UTF-8 source that `source.prepare` made harmless and return what it holds, as `fast.walk` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)  # XHTML on the web is read as the HTML that it is
        soup = BeautifulSoup(source, "lxml", from_encoding="utf-8", multi_valued_attributes=None)
    reader = _Reader(url, config)
    reader.children(soup, 0)
    reader.flush()
    reader.page.sections[0].last = len(reader.page.candidates)
    return reader.page


class _Reader:
    """What the recursion carries along: the open run of text, and where in sections, lists and tables it is."""

    def __init__(self, url: str, config: ExtractConfig) -> None:
        self.url, self.config = url, config
        self.page = RawPage(base=url)
        self.section = Section(0, 0, "body", "", 0, 0)
        self.page.sections.append(self.section)
        self.context = "other"
        self.run: list[str] = []
        self.link_chars = 0
        self.after_link = False
        self.hrefs: list[str] = []
        self.lists: list[tuple[int, bool, list[int]]] = []
        """(number, ordered, [count]) of the lists around."""
        self.marker: list[str | None] = []
        """For each list around: what the next run of its item is marked with."""
        self.collapsed = False
        self.tables: list[Table] = []
        self.figure: list[tuple[list[Candidate], list[str]]] = []
        """(images, captions) of the figures around."""
        self.sources: list[tuple[str, str]] = []
        self.noscript = 0
        self.twin_after = -1
        self.outer: tuple[list[str], int] = ([], 0)
        self.image_count = self.image_elements = 0
        self.numbers = 0
        self.addresses: set[str] = set()
        self.based = False

    # -- the recursion ---------------------------------------------------------------------------------------------

    def children(self, tag: Tag, depth: int) -> None:
        for child in tag.children:
            self.visit(child, depth)

    def visit(self, node: PageElement, depth: int) -> None:
        if isinstance(node, Tag):
            self.element(node, depth)
        elif isinstance(node, NavigableString) and not isinstance(node, _NO_TEXT):
            self.text(str(node))

    def element(self, tag: Tag, depth: int) -> None:
        """Do what the element's name asks for; whatever has no rule of its own is a section."""
        name = tag.name
        if depth >= self.config.max_depth:
            self.too_deep(tag)
        elif name in el.INLINE:
            if not _is_hidden_inline(tag):
                self.children(tag, depth + 1)
        elif name in texts.RAISED:
            self.raised(tag, depth)
        elif self.collapsed and name not in _IN_COLLAPSED and name not in el.OPENING:
            self.entry(tag, depth)
        elif name in el.OPENING:
            self.collapsed = False
            with self.in_section(tag):
                self.children(tag, depth + 1)
        elif name in el.COLLAPSED:
            self.collapse(tag, depth)
        elif rules.is_figure(name, _get(tag, "class")):
            self.a_figure(tag, depth)
        elif name in _RULES:
            getattr(self, _RULES[name])(tag, depth)
        elif name in el.SKIPPED:
            pass
        elif ":" in name:
            self.children(tag, depth + 1)
        else:
            with self.in_section(tag):
                self.children(tag, depth + 1)

    def collapse(self, tag: Tag, depth: int) -> None:
        """Menus and footers are one candidate, a line an entry, without their images."""
        with self.in_section(tag):
            self.collapsed = self.config.main_content
            self.children(tag, depth + 1)
        self.collapsed = False

    def entry(self, tag: Tag, depth: int) -> None:
        if tag.name in el.SKIPPED or tag.name in ("noscript", "template", "math"):
            return
        if self.run:
            self.run.append(texts.BREAK)
            self.after_link = False
        self.children(tag, depth + 1)

    def too_deep(self, tag: Tag) -> None:
        """Below the depth cap only the text counts."""
        left: list[PageElement] = [tag]
        while left:
            node = left.pop()
            if isinstance(node, Tag):
                if node.name not in el.SKIPPED:
                    left.extend(reversed(node.contents))
            elif isinstance(node, NavigableString) and not isinstance(node, _NO_TEXT):
                self.text(str(node))

    def text(self, text: str) -> None:
        if not self.run and text.isspace() and self.context != "code":
            return
        self.run.append(text)
        self.after_link = False
        if self.hrefs:
            self.link_chars += len("".join(text.split()))

    @contextmanager
    def in_section(self, tag: Tag) -> Iterator[None]:
        """A block-level element: no run of text crosses its borders."""
        self.flush()
        before = (self.section, self.context)
        classes, flags = rules.section_words(tag.name, _attributes(tag), self.section.flags)
        self.open_section(tag.name, classes, flags)
        self.context = rules.context_of(tag.name, classes, self.context, self.follows_image(), bool(self.figure))
        self.background(tag)
        yield
        self.flush()
        self.section.last = len(self.page.candidates)
        self.section, self.context = before

    def open_section(self, name: str, classes: str, flags: int) -> None:
        sections = self.page.sections
        place = (self.section.depth + 1, len(self.page.candidates))
        self.section = Section(len(sections), self.section.index, name, classes, flags, *place)
        sections.append(self.section)

    # -- runs of text ----------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """The run ends: it becomes a candidate, or the caption of the figure or image it belongs to."""
        raw, link_chars = "".join(self.run), self.link_chars
        self.run, self.link_chars, self.after_link = [], 0, False
        text = texts.preformatted(raw) if self.context == "code" else texts.inline(raw)
        if not text:
            return
        if len(self.page.candidates) >= self.config.max_blocks:
            self.page.truncated = True
        elif self.context != "caption" or not self.as_caption(text):
            self.page.candidates.append(self.candidate(text, link_chars))

    def candidate(self, text: str, link_chars: int) -> Candidate:
        found = Candidate(self.context, text, self.section.index, self.section.flags, link_chars)
        if self.context in el.HEADINGS:
            found.kind, found.level = "heading", el.HEADINGS[self.context]
            found.text = text.rstrip("¶#§ ") or text
        elif self.context == "table_caption":
            found.kind = "caption"
        elif self.context == "list" and self.lists:
            marker, self.marker[-1] = self.marker[-1], None
            found.listing = self.lists[0][0]
            found.prefix = "  " * (len(self.lists) - 1) + ("  " if marker is None else marker)
        self.in_cell(found)
        return found

    def in_cell(self, found: Candidate) -> None:
        if self.tables:
            table = self.tables[-1]
            found.table, found.row, found.column = table.number, table.rows, table.column
            if found.image is None:
                table.runs_in_cell += 1
                table.block_children |= table.runs_in_cell > 1 or found.kind == "heading"

    def as_caption(self, text: str) -> bool:
        if self.figure:
            self.figure[-1][1].append(text)
            return True
        last = self.page.candidates[-1] if self.page.candidates else None
        if last is None or last.image is None or last.image.caption:
            return False
        last.image = rules.with_caption(last.image, text)
        return True

    def line_break(self, tag: Tag, depth: int) -> None:
        """A new line; the second in a row ends the run, as a paragraph would."""
        inked = [piece for piece in self.run if not piece.isspace()]
        if self.context != "code" and inked and inked[-1] == texts.BREAK:
            self.flush()
        elif self.run or self.context == "code":
            self.run.append(texts.BREAK)

    def rule(self, tag: Tag, depth: int) -> None:
        self.flush()

    def raised(self, tag: Tag, depth: int) -> None:
        """Mark where a raised or lowered part begins, so that 2 to the 32nd does not read 232."""
        if not _is_hidden_inline(tag):
            if self.run:
                self.run.append(texts.RAISED[tag.name])
            self.children(tag, depth + 1)

    def link(self, tag: Tag, depth: int) -> None:
        if _is_hidden_inline(tag):
            return
        href = _get(tag, "href")
        if "creativecommons.org" in href and len(self.page.licenses) < 100:
            self.page.licenses.append((href, "license" in _get(tag, "rel").lower().split()))
        if self.run and self.after_link:
            self.run.append(" ")
        self.hrefs.append(href)
        self.children(tag, depth + 1)
        self.hrefs.pop()
        self.after_link = True

    # -- lists, tables, figures ------------------------------------------------------------------------------------

    def listing(self, tag: Tag, depth: int) -> None:
        with self.in_section(tag), self.in_list(tag.name == "ol", _get(tag, "start")):
            if self.tables:
                self.tables[-1].block_children = True
            self.children(tag, depth + 1)
            self.flush()

    @contextmanager
    def in_list(self, ordered: bool, start: str = "") -> Iterator[None]:
        self.numbers += 1
        count = int(start) - 1 if ordered and start.isascii() and start.isdigit() and len(start) < 9 else 0
        self.lists.append((self.numbers, ordered, [count]))
        self.marker.append(None)
        yield
        self.lists.pop()
        self.marker.pop()

    def item(self, tag: Tag, depth: int) -> None:
        self.flush()
        if not self.lists:
            with self.in_list(False):
                self.item(tag, depth)
            return
        _number, ordered, count = self.lists[-1]
        count[0] += 1
        self.marker[-1] = rules.item_marker(tag.name, ordered, count[0])
        with self.in_section(tag):
            self.children(tag, depth + 1)

    def table(self, tag: Tag, depth: int) -> None:
        with self.in_section(tag):
            if self.tables:
                self.tables[-1].nested = True
            self.numbers += 1
            table = Table(self.numbers)
            self.page.tables[table.number] = table
            self.tables.append(table)
            self.children(tag, depth + 1)
            self.flush()
            self.tables.pop()

    def row(self, tag: Tag, depth: int) -> None:
        with self.in_section(tag):
            if self.tables:
                table = self.tables[-1]
                table.rows, table.column, table.runs_in_cell = table.rows + 1, -1, 0
            self.children(tag, depth + 1)

    def cell(self, tag: Tag, depth: int) -> None:
        with self.in_section(tag):
            if self.tables:
                table = self.tables[-1]
                table.column, table.runs_in_cell = table.column + 1, 0
                table.columns = max(table.columns, table.column + 1)
                table.headed |= tag.name == "th"
            self.children(tag, depth + 1)

    def table_caption(self, tag: Tag, depth: int) -> None:
        if self.tables:
            self.tables[-1].headed = True
        with self.in_section(tag):
            self.children(tag, depth + 1)

    def a_figure(self, tag: Tag, depth: int) -> None:
        """Captions of a figure belong to its images that have none; without images a caption stays a text."""
        with self.in_section(tag):
            self.figure.append(([], []))
            self.children(tag, depth + 1)
            self.flush()
            found, captions = self.figure.pop()
            caption = " ".join(captions)
            for candidate in found:
                if caption and candidate.image and not candidate.image.caption:
                    candidate.image = rules.with_caption(candidate.image, caption)
            if caption and not found:
                self.page.candidates.append(Candidate("caption", caption, self.section.index, self.section.flags))
            if self.figure:
                self.figure[-1][0].extend(found)

    # -- images ----------------------------------------------------------------------------------------------------

    def picture(self, tag: Tag, depth: int) -> None:
        self.sources = []
        self.children(tag, depth + 1)
        self.sources = []

    def source(self, tag: Tag, depth: int) -> None:
        srcset = _get(tag, "srcset") or _get(tag, "data-srcset") or _get(tag, "data-lazy-srcset")
        if srcset:
            self.sources.append((srcset, _get(tag, "type")))
        self.children(tag, depth + 1)

    def image(self, tag: Tag, depth: int) -> None:
        attributes = _attributes(tag)
        classes = attributes.get("class", "")
        if classes and rules.stands_for_text(classes):
            self.text_image(classes, attributes.get("alt", ""))
        elif not (self.noscript and self.twin_after == self.image_count):
            self.image_elements += 1
            too_many = self.image_elements > 4 * self.config.max_images
            self.page.truncated = self.page.truncated or too_many
            choice = None if too_many else image_urls.choose(attributes, self.sources, self.page.base)
            if isinstance(choice, image_urls.Choice):
                self.add_image(choice.url, "noscript" if self.noscript else choice.source, attributes)
        self.children(tag, depth + 1)

    def text_image(self, classes: str, alt_text: str) -> None:
        if "math" not in classes:
            self.run.append(alt_text)
        elif not (self.run and self.run[-1].startswith("$")):
            self.run.append(f"${alt_text}$" if alt_text else "")

    def background(self, tag: Tag) -> None:
        attributes = _attributes(tag)
        says_image = "aria-label" in attributes or attributes.get("role") == "img"
        if self.config.background_images and says_image and "style" in attributes:
            url = image_urls.background_url(attributes["style"])
            absolute = image_urls.absolute(url, self.page.base) if url else None
            if absolute:
                self.add_image(absolute, "css", {**attributes, "alt": attributes.get("aria-label", "")})

    def add_image(self, url: str, source: str, attributes: dict[str, str]) -> None:
        """An image ends the run before it and stands between the texts; one address appears once in a page."""
        if url in self.addresses:
            return
        if self.image_count >= self.config.max_images:
            self.page.truncated = True
            return
        self.addresses.add(url)
        self.image_count += 1
        self.flush_around_noscript()
        self.flush()
        hidden = el.HIDDEN if "hidden" in attributes or attributes.get("aria-hidden") == "true" else 0
        found = Candidate("image", "", self.section.index, self.section.flags | hidden)
        href = self.hrefs[-1] if self.hrefs else ""
        found.image = rules.image_ref(url, source, attributes, href, self.page.base)
        self.in_cell(found)
        self.page.candidates.append(found)
        if self.figure:
            self.figure[-1][0].append(found)

    def follows_image(self) -> bool:
        return bool(self.page.candidates) and self.page.candidates[-1].image is not None

    # -- for readers without scripts -------------------------------------------------------------------------------

    def for_no_script(self, tag: Tag, depth: int) -> None:
        """Its texts stand apart from the run around it; an image right after its twin is left out."""
        self.noscript += 1
        self.twin_after = self.image_count if self.follows_image() and not self.run else -1
        before = (self.section, self.context, self.outer)
        self.outer, self.run, self.link_chars = (self.run, self.link_chars), [], 0
        self.open_section(tag.name, "", self.section.flags | el.NOSCRIPT)
        self.children(tag, depth + 1)
        self.flush()
        self.section.last = len(self.page.candidates)
        self.run, self.link_chars = self.outer
        self.noscript -= 1
        self.section, self.context, self.outer = before

    def flush_around_noscript(self) -> None:
        run, link_chars = self.outer
        if run:
            inner, section = (self.run, self.link_chars), self.section
            self.run, self.link_chars, self.section = run, link_chars, self.page.sections[self.section.parent]
            self.flush()
            (self.run, self.link_chars), self.section = inner, section
            self.outer = ([], 0)

    def template(self, tag: Tag, depth: int) -> None:
        if tag.has_attr("shadowrootmode"):
            with self.in_section(tag):
                self.children(tag, depth + 1)

    # -- formulas, facts of the page -------------------------------------------------------------------------------

    def math(self, tag: Tag, depth: int) -> None:
        """The TeX of a formula where the page gives it, else the formula's plain text; never both."""
        for child in tag.find_all(list(el.SKIPPED)):
            child.extract()
        notes = tag.find_all(lambda child: child.name.startswith("annotation"))
        tex = "".join(note.get_text() for note in notes if "tex" in _get(note, "encoding").lower())
        for note in notes:
            note.extract()
        self.run.append(rules.math_text(tex, tag.get_text(), _get(tag, "display") == "block"))

    def script(self, tag: Tag, depth: int) -> None:
        kind = _get(tag, "type").strip().lower()
        if kind.startswith("application/ld+json") and len(self.page.json_ld) < _MAX_JSON_LD:
            self.page.json_ld.append(_all_text(tag))
        elif kind.startswith("math/tex"):
            self.run.append(rules.math_text(_all_text(tag), "", "display" in kind))

    def title(self, tag: Tag, depth: int) -> None:
        if not self.page.title:
            self.page.title = texts.inline(_all_text(tag))

    def base(self, tag: Tag, depth: int) -> None:
        if not self.based and tag.has_attr("href"):
            self.based = True
            self.page.base = image_urls.absolute(_get(tag, "href"), self.url) or self.url

    def meta(self, tag: Tag, depth: int) -> None:
        name = (_get(tag, "property") or _get(tag, "name") or _get(tag, "itemprop")).lower()
        content = _get(tag, "content")
        if not name or not content or len(self.page.metas) > 200:
            return
        if name in rules.META_IMAGES:
            self.page.meta_images.append((content, name))
        else:
            self.page.metas.setdefault(name, content)

    def head_link(self, tag: Tag, depth: int) -> None:
        rels, href = _get(tag, "rel").lower().split(), _get(tag, "href")
        if "canonical" in rels and self.page.canonical is None:
            self.page.canonical = href
            self.page.base = rules.base_beside_canonical(self.page.base, href)
        elif "image_src" in rels:
            self.page.meta_images.append((href, "image_src"))
        elif "license" in rels:
            self.page.licenses.append((href, True))

    def frames(self, tag: Tag, depth: int) -> None:
        self.page.frameset = True
        self.children(tag, depth + 1)

    def transparent(self, tag: Tag, depth: int) -> None:
        self.children(tag, depth + 1)


_RULES = {
    **dict.fromkeys(("html", "head", "body", "wbr"), "transparent"),
    **dict.fromkeys(("ul", "ol", "dl", "menu", "dir"), "listing"),
    **dict.fromkeys(("li", "dt", "dd"), "item"),
    **dict.fromkeys(("td", "th"), "cell"),
    **dict.fromkeys(("img", "amp-img", "image"), "image"),
    "a": "link",
    "br": "line_break",
    "hr": "rule",
    "table": "table",
    "tr": "row",
    "caption": "table_caption",
    "figure": "a_figure",
    "noscript": "for_no_script",
    "template": "template",
    "picture": "picture",
    "source": "source",
    "math": "math",
    "title": "title",
    "script": "script",
    "base": "base",
    "meta": "meta",
    "link": "head_link",
    "frameset": "frames",
}

_IN_COLLAPSED = frozenset(("html", "head", "body", "wbr", "a", "script", "title", "base", "meta", "link"))


def _attributes(tag: Tag) -> dict[str, str]:
    return {name: str(value) for name, value in tag.attrs.items()}


def _get(tag: Tag, name: str) -> str:
    return str(tag.attrs.get(name, ""))


def _all_text(tag: Tag) -> str:
    return "".join(str(node) for node in tag.descendants if isinstance(node, NavigableString))


def _is_hidden_inline(tag: Tag) -> bool:
    classes, style = _get(tag, "class"), _get(tag, "style")
    if (classes and el.inline_is_skipped(classes)) or tag.has_attr("hidden"):
        return True
    return bool(style) and el.style_hides(style) and "math" not in classes
