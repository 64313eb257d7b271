"""What extraction hands over: its configuration, runs for blocks, and the finished page."""

from dataclasses import dataclass, field

from corpusloom.schemas.records import Block, ImageRef


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractConfig:
    """How a page becomes blocks. The caps are of the page alone, so a verdict never depends on a busy machine."""

    max_bytes: int = 10_000_000
    """Bytes of HTML that are read; what follows is cut off and the page marked truncated."""

    max_tags: int = 100_000
    """Tags of the source that are read; what follows is cut off."""

    max_tag_bytes: int = 100_000
    """Bytes of one tag with its attributes; a longer tag is removed from the source."""

    max_depth: int = 200
    """Open elements; deeper tags are removed and their text stays in the element above."""

    max_blocks: int = 20_000
    """Blocks of a page; what follows is dropped."""

    max_images: int = 2_000
    """Images of a page; those that follow are dropped. Four times as many image elements are looked at."""

    main_content: bool = True
    """Keep the main content only (menus and footers are read as one block each); off, every visible block is kept."""

    method: str = "learned"
    """How main content is told from the rest: learned (block classifier) or rules (tags, class words, links)."""

    walk: str = "fast"
    """fast (parse events) or reference (BeautifulSoup, an order of magnitude slower, the same blocks)."""

    weights: str = ""
    """A file of block classifier weights to use in place of those that ship; local path."""

    keep_dropped: bool = False
    """Hand over dropped blocks with their reasons too."""

    background_images: bool = True
    """Take CSS backgrounds of elements that say they are images (role=img or aria-label)."""

    structured_data: bool = True
    """Use a description or article body in JSON-LD when the page shows none of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """A page's main content in reading order, and the facts of the page beside it."""

    title: str | None
    blocks: tuple[Block, ...]
    meta_images: tuple[ImageRef, ...] = ()
    """og:image, twitter:image, image_src and JSON-LD images: facts of the page, not blocks."""
    canonical_link: str | None = None
    license: str | None = None
    """SPDX name of the Creative Commons licence that the page links."""
    charset: str = "utf-8"
    truncated: bool = False
    """True when a cap cut the page; the blocks are those up to it."""
    tier: str = "fast"
    """fast or reference: which walk made the blocks."""
    dropped: tuple[tuple[Block, str], ...] = ()
    """Blocks that were not kept and why; only when `config.keep_dropped`."""


@dataclass(slots=True)
class Section:
    """A block-level element: what a run's ancestors look like, summed up when the page has been read."""

    index: int
    parent: int
    tag: str
    classes: str
    flags: int
    depth: int
    first: int = 0
    """Its first run, and the one after its last, in document order."""
    last: int = -1


@dataclass(slots=True)
class TextRun:
    """One run of text or one image before the choice of main content."""

    kind: str
    text: str
    section: int
    """Index of the innermost block-level element."""
    flags: int
    link_chars: int = 0
    level: int | None = None
    image: ImageRef | None = None
    listing: int = 0
    """The number of the outermost list that it is a line of; 0 outside lists."""
    prefix: str = ""
    """The list marker, or the indentation of a further line of an item."""
    table: int = 0
    """The number of the innermost table around it; 0 outside tables."""
    row: int = -1
    column: int = -1


@dataclass(slots=True)
class Table:
    """What a table turned out to be once it has been read."""

    number: int
    rows: int = 0
    columns: int = 0
    column: int = -1
    runs_in_cell: int = 0
    headed: bool = False
    nested: bool = False
    block_children: bool = False

    @property
    def is_data(self) -> bool:
        """Headed or captioned, or at least 2 rows and columns without block children; without tables inside."""
        return not self.nested and (self.headed or (self.rows > 1 and self.columns > 1 and not self.block_children))


@dataclass(slots=True)
class RawPage:
    """Everything one walk over a page found, before any choice."""

    runs: list[TextRun] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    tables: dict[int, Table] = field(default_factory=dict)
    title: str = ""
    metas: dict[str, str] = field(default_factory=dict)
    meta_images: list[tuple[str, str]] = field(default_factory=list)
    canonical: str | None = None
    base: str = ""
    licenses: list[tuple[str, bool]] = field(default_factory=list)
    """(href, whether rel=license) of links to Creative Commons."""
    json_ld: list[str] = field(default_factory=list)
    frameset: bool = False
    truncated: bool = False
