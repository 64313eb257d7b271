"""Types of extraction: the configuration, the result of a walk, and the extracted page."""

from dataclasses import dataclass, field

from corpusloom.schemas.records import Block, ImageRef


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractConfig:
    """Settings of extraction. The caps count bytes and elements, so a verdict does not depend on the machine's load."""

    max_bytes: int = 10_000_000
    """Bytes of HTML, at most; the rest is cut off and the page is marked as truncated."""

    max_tags: int = 100_000
    """Tags of the source, at most; the rest is cut off."""

    max_tag_bytes: int = 100_000
    """Bytes of one tag with its attributes, at most; a longer tag is removed from the source."""

    max_depth: int = 200
    """Nesting depth of elements, at most; deeper tags are removed and their text is added to the element above."""

    max_blocks: int = 20_000
    """Blocks per page, at most; the rest is dropped."""

    max_images: int = 2_000
    """Images per page, at most; the rest is dropped. Four times as many image elements are examined."""

    main_content: bool = True
    """Keep the main content only (a menu or footer is read as one block); if false, every visible block is kept."""

    method: str = "learned"
    """Method of finding main content: learned (block classifier) or rules (tags, class words, links)."""

    walk: str = "fast"
    """fast (parse events) or reference (BeautifulSoup, an order of magnitude slower, the same blocks)."""

    surroundings: bool = False
    """Find the text around each image, for pairs."""

    weights: str = ""
    """Local path of block classifier weights to use instead of those that ship with the package."""

    keep_dropped: bool = False
    """Also return dropped blocks with their reasons."""

    background_images: bool = True
    """Extract CSS backgrounds of elements that are marked as images (role=img or aria-label)."""

    structured_data: bool = True
    """Use a description or article body of the JSON-LD if the page shows hardly any text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """A page's main content in reading order, and metadata of the page."""

    title: str | None
    blocks: tuple[Block, ...]
    meta_images: tuple[ImageRef, ...] = ()
    """Images in the page's metadata (og:image, twitter:image, image_src, JSON-LD), which are not blocks."""
    canonical_link: str | None = None
    license: str | None = None
    """SPDX identifier of the licence that the page states."""
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
    """One run of text, or one image between texts, before main content is selected."""

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
    """The shape of a table, complete once the walk has passed its end."""

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
        """Whether the table holds data, not layout.

        A data table has a header or caption, or at least 2 rows and 2 columns without block children. A table with
        another table inside is layout.
        """
        return not self.nested and (self.headed or (self.rows > 1 and self.columns > 1 and not self.block_children))


@dataclass(slots=True)
class RawPage:
    """The result of a walk over a page, before main content is selected."""

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
