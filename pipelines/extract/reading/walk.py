"""The fast walk: one pass over libxml2's parse events, no tree, in time linear in the source whatever its depth.

`Walker` receives start, end and text events and fills a `RawPage`: candidates (runs of text and images in document
order) and the sections (block-level elements) that hold them. `reference.py` states the same rules over a tree, and the
two are tested to agree. Order is the document's; CSS order, floats and absolute places are not known here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from corpusloom.pipelines.extract.reading import elements as el
from corpusloom.pipelines.extract.reading import image_urls, texts
from corpusloom.pipelines.extract.reading.rules import (
    META_IMAGES,
    base_beside_canonical,
    context_of,
    image_ref,
    is_figure,
    item_marker,
    math_text,
    section_words,
    stands_for_text,
    with_caption,
)
from corpusloom.pipelines.extract.reading.types import Candidate, ExtractConfig, RawPage, Section, Table

Attributes = Mapping[str, str]
_MAX_JSON_LD = 20


def walk(source: bytes, url: str, config: ExtractConfig) -> RawPage:
    """Walk UTF-8 source that `source.prepare` made harmless and return what it holds."""
    walker = Walker(url, config)
    parser = etree.HTMLParser(target=walker, encoding="utf-8", huge_tree=True)
    if source.strip():
        etree.fromstring(source, parser)
    return walker.page


@dataclass(slots=True)
class _List:
    number: int
    ordered: bool
    count: int = 0
    marker: str | None = None
    """What the next run of the item is marked with; None once it has been used."""
    indent: str = ""


@dataclass(slots=True)
class _Figure:
    images: list[Candidate] = field(default_factory=list)
    caption: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Math:
    display: bool
    text: list[str] = field(default_factory=list)
    tex: list[str] = field(default_factory=list)
    in_annotation: bool = False
    in_tex: bool = False


class Walker:
    """The state of one walk. The parser calls start, end, data and close."""

    def __init__(self, url: str, config: ExtractConfig) -> None:
        self.config, self.url, self.max_depth = config, url, config.max_depth
        self.page = RawPage(base=url)
        self.section = Section(0, 0, "body", "", 0, 0)
        self.page.sections.append(self.section)
        self.context = "other"
        self.open: list[tuple[Callable[[Any], None], Any] | None] = []
        """For each open element what to do at its end, or None."""
        self.run: list[str] = []
        self.link_chars = 0
        self.links: list[str] = []
        self.after_link = -1
        self.skipping = False
        self.capture: list[str] | None = None
        self.math: _Math | None = None
        self.collapsed = False
        self.lists: list[_List] = []
        self.tables: list[Table] = []
        self.figures: list[_Figure] = []
        self.picture: list[tuple[str, str]] = []
        self.noscript = 0
        self.outer: tuple[list[str], int] = ([], 0)
        """The run and its link characters around the innermost noscript."""
        self.noscript_images = 0
        self.numbers = self.images = self.image_elements = 0
        self.seen: set[str] = set()
        self.has_base = False

    def start(self, tag: str, attributes: Attributes) -> None:
        """An element opens: remember what its end does, and let its handler act."""
        ending = None
        if self.skipping:
            pass
        elif len(self.open) >= self.max_depth:
            ending = self._skip() if tag in el.SKIPPED else None
        elif self.math is not None:
            ending = self._start_in_math(tag, attributes)
        elif self.collapsed and tag not in el.OPENING:
            if attributes or tag not in el.INLINE:
                ending = _IN_COLLAPSED.get(tag, Walker._start_entry)(self, tag, attributes)
        elif attributes or tag not in el.INLINE:
            ending = _HANDLERS.get(tag, Walker._start_section)(self, tag, attributes)
        self.open.append(ending)

    def end(self, tag: str) -> None:
        """An element closes."""
        ending = self.open.pop() if self.open else None
        if ending is not None:
            finish, argument = ending
            finish(argument)

    def data(self, text: str) -> None:
        """Text between tags; the parser may hand over one text in several pieces."""
        if self.skipping:
            if self.capture is not None:
                self.capture.append(text)
        elif self.math is not None:
            math = self.math
            (math.tex if math.in_tex else math.text if not math.in_annotation else []).append(text)
        elif self.run or not text.isspace() or self.context == "code":
            self.run.append(text)
            if self.links:
                self.link_chars += len("".join(text.split()))

    def close(self) -> None:
        """The source has ended."""
        while self.open:
            self.end("")
        self.flush()
        self.page.sections[0].last = len(self.page.candidates)

    # -- runs of text ----------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Finish the run of text that is open: it becomes a candidate, or a caption of the image before it."""
        run = self.run
        if not run:
            return
        raw = "".join(run)
        run.clear()
        link_chars, self.link_chars, self.after_link = self.link_chars, 0, -1
        context = self.context
        text = texts.preformatted(raw) if context == "code" else texts.inline(raw)
        if not text or len(self.page.candidates) >= self.config.max_blocks:
            self.page.truncated = self.page.truncated or bool(text)
            return
        if context == "caption" and self._captioned(text):
            return
        candidate = Candidate("other", text, self.section.index, self.section.flags, link_chars)
        self._place(candidate, context)
        self.page.candidates.append(candidate)

    def _flush_outer(self) -> None:
        """Finish the run around a noscript before an image inside it takes its place."""
        run, link_chars = self.outer
        if run:
            inner, section = (self.run, self.link_chars), self.section
            self.run, self.link_chars, self.section = run, link_chars, self.page.sections[self.section.parent]
            self.flush()
            (self.run, self.link_chars), self.section = inner, section
            self.outer = ([], 0)

    def _place(self, candidate: Candidate, context: str) -> None:
        """Set the kind of a text candidate, and its place in a list or table."""
        if context in el.HEADINGS:
            candidate.kind, candidate.level = "heading", el.HEADINGS[context]
            candidate.text = candidate.text.rstrip("¶#§ ") or candidate.text
        else:
            candidate.kind = "caption" if context == "table_caption" else context
        if context == "list" and self.lists:
            innermost = self.lists[-1]
            candidate.listing = self.lists[0].number
            candidate.prefix = innermost.indent + ("  " if innermost.marker is None else innermost.marker)
            innermost.marker = None
        self._place_in_table(candidate)

    def _place_in_table(self, candidate: Candidate) -> None:
        if not self.tables:
            return
        table = self.tables[-1]
        candidate.table, candidate.row, candidate.column = table.number, table.rows, table.column
        if candidate.image is None:
            table.runs_in_cell += 1
            table.block_children = table.block_children or table.runs_in_cell > 1 or candidate.kind == "heading"

    def _captioned(self, text: str) -> bool:
        """Give a caption to the figure or the image right before it; False when there is neither."""
        if self.figures:
            self.figures[-1].caption.append(text)
            return True
        last = self.page.candidates[-1] if self.page.candidates else None
        if last is None or last.image is None or last.image.caption:
            return False
        last.image = with_caption(last.image, text)
        return True

    # -- elements --------------------------------------------------------------------------------------------------

    def _start_section(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        if ":" in tag:  # o:p and other leftovers of word processors are inline
            return None
        if self.run:
            self.flush()
        parent, around = self.section, self.context
        sections, candidates = self.page.sections, self.page.candidates
        if attributes:
            classes, flags = section_words(tag, attributes, parent.flags)
            follows_image = bool(classes and candidates) and candidates[-1].image is not None
        else:
            classes, flags, follows_image = "", parent.flags | el.TAG_FLAGS.get(tag, 0), False
        section = Section(len(sections), parent.index, tag, classes, flags, parent.depth + 1, len(candidates))
        sections.append(section)
        self.section = section
        self.context = context_of(tag, classes, around, follows_image, bool(self.figures))
        if "style" in attributes and ("aria-label" in attributes or attributes.get("role") == "img"):
            self._background(attributes)
        return self._end_section, (parent, around)

    def _end_section(self, before: tuple[Section, str]) -> None:
        if self.run:
            self.flush()
        self.section.last = len(self.page.candidates)
        self.section, self.context = before

    def _start_collapsed(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        ending = self._start_section(tag, attributes)
        self.collapsed = self.config.main_content
        return self._end_collapsed, ending

    def _end_collapsed(self, ending: tuple[Callable[[Any], None], Any]) -> None:
        ending[0](ending[1])
        self.collapsed = False

    def _start_entry(self, tag: str, attributes: Attributes) -> None:
        if self.run:
            self.run.append(texts.BREAK)

    def _start_opening(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        self.collapsed = False
        return self._start_section(tag, attributes)

    def _follows_image(self) -> bool:
        candidates = self.page.candidates
        return bool(candidates) and candidates[-1].image is not None

    def _start_inline(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        classes = attributes.get("class")
        if (classes and el.inline_is_skipped(classes)) or "hidden" in attributes:
            return self._skip()
        style = attributes.get("style")
        return self._skip() if style and el.style_hides(style) and "math" not in (classes or "") else None

    def _start_raised(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        ending = self._start_inline(tag, attributes)
        if ending is None and self.run:
            self.after_link += self.after_link == len(self.run)
            self.run.append(texts.RAISED[tag])
        return ending

    def _start_link(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any]:
        ending = self._start_inline(tag, attributes)
        if ending is not None:
            return ending
        href = attributes.get("href", "")
        if "creativecommons.org" in href and len(self.page.licenses) < 100:
            self.page.licenses.append((href, "license" in attributes.get("rel", "").lower().split()))
        if self.run and self.after_link == len(self.run):
            self.run.append(" ")  # two links side by side are two words
        self.links.append(href)
        return self._end_link, None

    def _end_link(self, _nothing: None) -> None:
        if self.links:
            self.links.pop()
        self.after_link = len(self.run)

    def _nothing(self, tag: str, attributes: Attributes) -> None:
        return None

    def _start_skipped(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any]:
        return self._skip()

    def _skip(self) -> tuple[Callable[[Any], None], Any]:
        self.skipping = True
        return self._end_skip, None

    def _end_skip(self, done: Callable[[str], None] | None) -> None:
        self.skipping = False
        captured, self.capture = self.capture, None
        if done is not None and captured is not None:
            done("".join(captured))

    def _start_captured(self, done: Callable[[str], None]) -> tuple[Callable[[Any], None], Any]:
        self.skipping, self.capture = True, []
        return self._end_skip, done

    def _break(self, tag: str, attributes: Attributes) -> None:
        at = len(self.run) - 1
        while at >= 0 and self.run[at].isspace():
            at -= 1
        if at >= 0 and self.run[at] == texts.BREAK and self.context != "code":
            self.flush()
        elif self.run or self.context == "code":
            self.run.append(texts.BREAK)

    def _rule(self, tag: str, attributes: Attributes) -> None:
        self.flush()

    def _start_list(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        ending = self._start_section(tag, attributes)
        self.numbers += 1
        number = self.numbers
        start = attributes.get("start", "")
        count = int(start) - 1 if tag == "ol" and start.isascii() and start.isdigit() and len(start) < 9 else 0
        self.lists.append(_List(number, tag == "ol", count, indent="  " * len(self.lists)))
        if self.tables:
            self.tables[-1].block_children = True
        return self._end_list, ending

    def _end_list(self, ending: tuple[Callable[[Any], None], Any]) -> None:
        ending[0](ending[1])
        if self.lists:
            self.lists.pop()

    def _start_item(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        if self.run:
            self.flush()
        if not self.lists:
            self.numbers += 1
            self.lists.append(_List(self.numbers, False))
            ending = self._start_item(tag, attributes)
            return self._end_list, ending
        innermost = self.lists[-1]
        innermost.count += 1
        innermost.marker = item_marker(tag, innermost.ordered, innermost.count)
        return self._start_section(tag, attributes)

    def _start_table(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        ending = self._start_section(tag, attributes)
        if self.tables:
            self.tables[-1].nested = True
        self.numbers += 1
        table = Table(self.numbers)
        self.page.tables[table.number] = table
        self.tables.append(table)
        return self._end_table, ending

    def _end_table(self, ending: tuple[Callable[[Any], None], Any]) -> None:
        ending[0](ending[1])
        if self.tables:
            self.tables.pop()

    def _start_row(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        ending = self._start_section(tag, attributes)
        if self.tables:
            table = self.tables[-1]
            table.rows, table.column, table.runs_in_cell = table.rows + 1, -1, 0
        return ending

    def _start_cell(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        ending = self._start_section(tag, attributes)
        if self.tables:
            table = self.tables[-1]
            table.column += 1
            table.columns = max(table.columns, table.column + 1)
            table.runs_in_cell = 0
            table.headed = table.headed or tag == "th"
        return ending

    def _start_table_caption(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        if self.tables:
            self.tables[-1].headed = True
        return self._start_section(tag, attributes)

    def _start_div(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        in_figure = is_figure(tag, attributes.get("class", ""))
        return (self._start_figure if in_figure else self._start_section)(tag, attributes)

    def _start_figure(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        ending = self._start_section(tag, attributes)
        self.figures.append(_Figure())
        return self._end_figure, ending

    def _end_figure(self, ending: tuple[Callable[[Any], None], Any]) -> None:
        if self.run:
            self.flush()
        figure = self.figures.pop()
        caption = " ".join(figure.caption)
        if caption and figure.images:
            for candidate in figure.images:
                if candidate.image is not None and not candidate.image.caption:
                    candidate.image = with_caption(candidate.image, caption)
        elif caption:
            self.page.candidates.append(Candidate("caption", caption, self.section.index, self.section.flags))
        if self.figures:
            self.figures[-1].images.extend(figure.images)
        ending[0](ending[1])

    def _start_noscript(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any]:
        """Text for readers without scripts stands apart: the run around it goes on after it."""
        self.noscript += 1
        self.noscript_images = self.images if self._follows_image() and not self.run else -1
        before = (self.section, self.context, self.outer)
        self.outer, self.run, self.link_chars = (self.run, self.link_chars), [], 0
        around, sections = self.section, self.page.sections
        flags, depth = around.flags | el.NOSCRIPT, around.depth + 1
        self.section = Section(len(sections), around.index, tag, "", flags, depth, len(self.page.candidates))
        sections.append(self.section)
        return self._end_noscript, before

    def _end_noscript(self, before: tuple[Section, str, tuple[list[str], int]]) -> None:
        self.flush()
        self.section.last = len(self.page.candidates)
        self.run, self.link_chars = self.outer
        self.noscript -= 1
        self.section, self.context, self.outer = before

    def _start_template(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        return self._start_section(tag, attributes) if "shadowrootmode" in attributes else self._skip()

    # -- images ----------------------------------------------------------------------------------------------------

    def _start_picture(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any]:
        self.picture = []
        return self._end_picture, None

    def _end_picture(self, _nothing: None) -> None:
        self.picture = []

    def _source(self, tag: str, attributes: Attributes) -> None:
        srcset = attributes.get("srcset") or attributes.get("data-srcset") or attributes.get("data-lazy-srcset")
        if srcset:
            self.picture.append((srcset, attributes.get("type", "")))

    def _image(self, tag: str, attributes: Attributes) -> None:
        classes = attributes.get("class", "")
        if classes and stands_for_text(classes):
            self._text_image(classes, attributes.get("alt", ""))
            return
        if self.noscript and self.noscript_images == self.images:
            return  # the twin, for readers without scripts, of the image right before it
        self.image_elements += 1
        if self.image_elements > 4 * self.config.max_images:
            self.page.truncated = True
            return
        choice = image_urls.choose(attributes, self.picture, self.page.base)
        if isinstance(choice, image_urls.Choice):
            source = "noscript" if self.noscript else choice.source
            self._add_image(choice.url, source, attributes)

    def _text_image(self, classes: str, alt_text: str) -> None:
        if "math" not in classes:
            self.run.append(alt_text)
        elif not (self.run and self.run[-1].startswith("$")):
            self.run.append(f"${alt_text}$" if alt_text else "")

    def _background(self, attributes: Attributes) -> None:
        url = image_urls.background_url(attributes["style"]) if self.config.background_images else None
        absolute = image_urls.absolute(url, self.page.base) if url else None
        if absolute:
            self._add_image(absolute, "css", {**attributes, "alt": attributes.get("aria-label", "")})

    def _add_image(self, url: str, source: str, attributes: Attributes) -> None:
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
        candidate = Candidate("image", "", self.section.index, self.section.flags | hidden)
        candidate.image = image_ref(url, source, attributes, self.links[-1] if self.links else "", self.page.base)
        self._place_in_table(candidate)
        self.page.candidates.append(candidate)
        if self.figures:
            self.figures[-1].images.append(candidate)

    # -- maths -----------------------------------------------------------------------------------------------------

    def _start_math(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any]:
        self.math = _Math(attributes.get("display") == "block")
        return self._end_math, None

    def _start_in_math(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any] | None:
        if tag in el.SKIPPED:
            return self._skip()
        if self.math is None or not tag.startswith("annotation"):
            return None
        self.math.in_annotation = True
        self.math.in_tex = "tex" in attributes.get("encoding", "").lower()
        return self._end_annotation, None

    def _end_annotation(self, _nothing: None) -> None:
        if self.math is not None:
            self.math.in_annotation = self.math.in_tex = False

    def _end_math(self, _nothing: None) -> None:
        math, self.math = self.math, None
        if math is not None:
            self.run.append(math_text("".join(math.tex), "".join(math.text), math.display))

    # -- facts of the page -----------------------------------------------------------------------------------------

    def _title(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any]:
        return self._skip() if self.page.title else self._start_captured(self._set_title)

    def _set_title(self, text: str) -> None:
        self.page.title = texts.inline(text)

    def _script(self, tag: str, attributes: Attributes) -> tuple[Callable[[Any], None], Any]:
        kind = attributes.get("type", "").strip().lower()
        if kind.startswith("application/ld+json") and len(self.page.json_ld) < _MAX_JSON_LD:
            return self._start_captured(self.page.json_ld.append)
        if kind.startswith("math/tex"):
            return self._start_captured(lambda tex: self.run.append(math_text(tex, "", "display" in kind)))
        return self._skip()

    def _base(self, tag: str, attributes: Attributes) -> None:
        if self.has_base or "href" not in attributes:
            return
        self.has_base = True
        self.page.base = image_urls.absolute(attributes["href"], self.url) or self.url

    def _meta(self, tag: str, attributes: Attributes) -> None:
        name = (attributes.get("property") or attributes.get("name") or attributes.get("itemprop") or "").lower()
        content = attributes.get("content", "")
        if not name or not content or len(self.page.metas) > 200:
            return
        if name in META_IMAGES:
            self.page.meta_images.append((content, name))
        else:
            self.page.metas.setdefault(name, content)

    def _link(self, tag: str, attributes: Attributes) -> None:
        rels = attributes.get("rel", "").lower().split()
        href = attributes.get("href", "")
        if "canonical" in rels and self.page.canonical is None:
            self.page.canonical = href
            self.page.base = base_beside_canonical(self.page.base, href)
        elif "image_src" in rels:
            self.page.meta_images.append((href, "image_src"))
        elif "license" in rels:
            self.page.licenses.append((href, True))

    def _frameset(self, tag: str, attributes: Attributes) -> None:
        self.page.frameset = True


_HANDLERS: dict[str, Callable[[Walker, str, Attributes], tuple[Callable[[Any], None], Any] | None]] = {
    **dict.fromkeys(el.INLINE, Walker._start_inline),
    **dict.fromkeys(el.SKIPPED, Walker._start_skipped),
    **dict.fromkeys(("html", "head", "body"), Walker._nothing),
    **dict.fromkeys(("ul", "ol", "dl", "menu", "dir"), Walker._start_list),
    **dict.fromkeys(("li", "dt", "dd"), Walker._start_item),
    **dict.fromkeys(("td", "th"), Walker._start_cell),
    **dict.fromkeys(("img", "amp-img", "image"), Walker._image),
    "a": Walker._start_link,
    **dict.fromkeys(texts.RAISED, Walker._start_raised),
    "br": Walker._break,
    "hr": Walker._rule,
    "wbr": Walker._nothing,
    **dict.fromkeys(el.COLLAPSED, Walker._start_collapsed),
    **dict.fromkeys(el.OPENING, Walker._start_opening),
    "table": Walker._start_table,
    "tr": Walker._start_row,
    "caption": Walker._start_table_caption,
    "div": Walker._start_div,
    "figure": Walker._start_figure,
    "noscript": Walker._start_noscript,
    "template": Walker._start_template,
    "picture": Walker._start_picture,
    "source": Walker._source,
    "math": Walker._start_math,
    "title": Walker._title,
    "script": Walker._script,
    "base": Walker._base,
    "meta": Walker._meta,
    "link": Walker._link,
    "frameset": Walker._frameset,
}
_IN_COLLAPSED = {
    **dict.fromkeys(el.SKIPPED, Walker._start_skipped),
    **dict.fromkeys(("noscript", "template", "math"), Walker._start_skipped),
    **{tag: _HANDLERS[tag] for tag in (*el.INLINE, *texts.RAISED, "a", "html", "head", "body", "wbr")},
    **{tag: _HANDLERS[tag] for tag in ("script", "title", "base", "meta", "link")},
}
"""What elements mean inside a collapsed one; all others begin an entry."""
