"""Types of extraction: its configuration, what a walk finds, and the extracted page."""

from dataclasses import dataclass, field

from corpusloom.schemas.records import Block, ImageRef


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractConfig:
    """Settings of extraction. The caps count bytes and elements, so a verdict does not depend on the machine's load."""

    max_bytes: int = 10_000_000
    """Bytes of HTML that are read; the rest is cut off and the page is marked truncated."""

    max_tags: int = 100_000
    """Tags of the source that are read; the rest is cut off."""

    max_tag_bytes: int = 100_000
    """Bytes of one tag with its attributes; a longer tag is removed from the source."""

    max_depth: int = 200
    """Nesting depth of elements; deeper tags are removed and their text stays in the element above."""

    max_blocks: int = 20_000
    """Blocks per page; the rest is dropped."""

    max_images: int = 2_000
    """Images per page; the rest is dropped. Four times as many image elements are examined."""

    main_content: bool = True
    """Keep the main content only (a menu or footer is read as one block); if false, every visible block is kept."""

    method: str = "learned"
    """Method of finding main content: learned (block classifier) or rules (tags, class words, links)."""

    walk: str = "fast"
    """fast (parse events) or reference (BeautifulSoup, an order of magnitude slower, the same blocks)."""

    weights: str = ""
    """Local path of block classifier weights to use instead of those that ship with the package."""

    keep_dropped: bool = False
    """Return dropped blocks with their reasons as well."""

    background_images: bool = True
    """Take CSS backgrounds of elements that state that they are images (role=img or aria-label)."""

    structured_data: bool = True
    """Use a description or article body of the JSON-LD if the page shows next to no text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """A page's main content in reading order, and facts of the page."""

    title: str | None
    blocks: tuple[Block, ...]
    meta_images: tuple[ImageRef, ...] = ()
    """og:image, twitter:image, image_src and JSON-LD images: facts of the page, not blocks."""
    canonical_link: str | None = None
    license: str | None = None
    """SPDX name of the Creative Commons licence that the page links."""
    charset: str = "utf-8"
    truncated: bool = False
    """True if a cap cut the page; the blocks are those before the cut."""
    dropped: tuple[tuple[Block, str], ...] = ()
    """(block, reason) of the blocks that were not kept; only if `config.keep_dropped`."""


@dataclass(slots=True)
class Section:
    """A block-level element: an ancestor of runs of text."""

    index: int
    parent: int
    tag: str
    classes: str
    flags: int
    depth: int
    first: int = 0
    """Index of its first run."""
    last: int = -1
    """Index of the run after its last one."""


@dataclass(slots=True)
class TextRun:
    """One run of text, or one image in its place between the texts, before main content is chosen."""

    kind: str
    text: str
    section: int
    """Index of the innermost section."""
    flags: int
    link_chars: int = 0
    level: int | None = None
    image: ImageRef | None = None
    listing: int = 0
    """Number of the outermost list around it; 0 outside lists."""
    prefix: str = ""
    """List marker, or the indentation of a further run of an item."""
    table: int = 0
    """Number of the innermost table around it; 0 outside tables."""
    row: int = -1
    column: int = -1


@dataclass(slots=True)
class Table:
    """The shape of a table, known once it has been read."""

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
        """True for a table with a header or caption, or with at least 2 rows and columns without block children.

        A table that holds another table is layout.
        """
        return not self.nested and (self.headed or (self.rows > 1 and self.columns > 1 and not self.block_children))


@dataclass(slots=True)
class RawPage:
    """Everything that a walk over a page found, before main content is chosen."""

    runs: list[TextRun] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    tables: dict[int, Table] = field(default_factory=dict)
    title: str = ""
    metas: dict[str, str] = field(default_factory=dict)
    meta_images: list[tuple[str, str]] = field(default_factory=list)
    canonical: str | None = None
    base: str = ""
    licenses: list[tuple[str, bool]] = field(default_factory=list)
    """(href, whether rel=license) of links to licences."""
    json_ld: list[str] = field(default_factory=list)
    frameset: bool = False
    truncated: bool = False
