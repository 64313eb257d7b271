"""What a record is: the frozen dataclasses that every stage, shard and table shares.

Each class is one row of a table; `corpusloom.schemas.arrow` derives its Arrow schema from the annotations. A class that
changes shape raises its VERSION and gives `corpusloom.schemas.arrow` an upgrade for the older one.
"""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef:
    """An image as a page refers to it. Declared sizes are those of the tag, in CSS pixels."""

    url: str
    alt_text: str | None = None
    caption: str | None = None
    title: str | None = None
    link: str | None = None
    declared_width: int | None = None
    declared_height: int | None = None
    source: str = "src"
    """The attribute or element that named it: src, srcset, data-src, noscript, css, meta ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One text or one image of a page, in reading order; exactly one of `text` and `image` is set."""

    kind: str
    """heading, paragraph, list, table, code, quote, caption, other or image."""
    text: str | None = None
    image: ImageRef | None = None
    level: int | None = None
    """1..6 for a heading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """An opt-out or licence signal as it was seen (specs: robots.txt, TDMRep, IPTC ...)."""

    name: str
    value: str
    where: str
    """robots_txt, header, meta, file, image."""
    seen_at: str
    """RFC 3339, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One web page: its blocks in reading order, language and scores. The unit of M3W."""

    VERSION: ClassVar[int] = 1
    key: str
    parent: str = ""
    """The WARC record that it was read from."""
    url: str
    canonical_url: str
    fetched_at: str
    language: str | None = None
    title: str | None = None
    blocks: tuple[Block, ...] = ()
    meta_images: tuple[ImageRef, ...] = ()
    """og:image and the like: facts of the page, not blocks."""
    scores: dict[str, float] = field(default_factory=dict)
    signals: tuple[Signal, ...] = ()
    license: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An image URL and one text for it, from the page `parent`."""

    VERSION: ClassVar[int] = 1
    key: str
    parent: str
    page_url: str
    image_url: str
    text: str
    text_source: str
    """alt_text, caption or title."""
    language: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    license: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoClip:
    """A stretch of a video, as frames at a fixed rate, and its text. Times in seconds."""

    VERSION: ClassVar[int] = 1
    key: str
    parent: str
    video_url: str
    text: str
    start: float
    end: float
    fps: float
    frames: int
    scores: dict[str, float] = field(default_factory=dict)
    license: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """A pair's image as regions of a detector (ViLBERT). Widths belong to the record.

    The arrays (boxes [n, 4] float32 in pixels x1 y1 x2 y2, features [n, feature_width] float16, class_probs
    [n, class_count] float16) lie in the sample's regions.npz.
    """

    VERSION: ClassVar[int] = 1
    key: str
    parent: str
    image_sha256: str
    image_width: int
    image_height: int
    count: int
    feature_width: int
    class_count: int
    detector: str
    """Name and weights hash of the model that made them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """The outcome of fetching one image URL: a row of the image store's index."""

    VERSION: ClassVar[int] = 1
    key: str
    """32 hex digits over the canonical image URL."""
    url: str
    final_url: str | None = None
    status: int | None = None
    outcome: str
    """kept, rejected or dead."""
    reason: str | None = None
    """The reason of a rejection, or the error class of a death."""
    final: bool = True
    """False for a transient outcome, which `loom images --retry dead` tries again."""
    sha256: str | None = None
    bytes: int | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    fetched_at: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    signals: tuple[Signal, ...] = ()
    pack: str | None = None
    """The pack's name inside the store; offset and length of the WARC record in bytes."""
    offset: int | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What is known of an image's bytes, once a sha256, whatever pages show it."""

    VERSION: ClassVar[int] = 1
    sha256: str
    width: int
    height: int
    """As displayed, after EXIF orientation."""
    format: str
    size: int
    """In bytes, as fetched."""
    dhash: str
    phash: str
    """64 bits, 16 hex digits."""
    grid: bytes
    """4 x 4 mean colours, 48 bytes RGB row by row: the colour check beside the hashes."""
    gray_std: float
    colour_range: float
    """Largest difference of any channel over the image, 0..255: 0 is a single colour."""
    opt_out: str | None = None
    """The name of a metadata signal that reserves rights, if there is one."""
    error: str | None = None
    """Why the image cannot be decoded; sizes are then the header's and hashes empty."""
    model_scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScore:
    """What a model says of an image: a fact of the store, beside `ImageFacts`."""

    VERSION: ClassVar[int] = 1
    sha256: str
    model: str
    score: float | None = None
    """None for an image that does not decode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The small head of a page or pair that corpus-wide rules are decided on, with its verdict so far."""

    VERSION: ClassVar[int] = 1
    RECORD: ClassVar[str] = "Candidate"
    """Name in Parquet metadata, older than the class's, so that work folders of earlier versions stay readable."""
    unit: str
    key: str
    parent: str
    url: str
    rank: str = ""
    """Of heads that are the same the smallest survives: a property of the record, never of the run."""
    text_key: str = ""
    image_key: str = ""
    images: tuple[str, ...] = ()
    """URLs of the images it shows, in order."""
    bands: tuple[str, ...] = ()
    """MinHash band keys of its text in hex; none where near-duplicates are not looked for."""
    paragraphs: tuple[str, ...] = ()
    """Keys of its paragraphs within its domain, repeats included; none where they are not counted."""
    frequent_paragraphs: tuple[str, ...] = ()
    """Those that occur too often in the domain: dropped when the page is written."""
    scores: dict[str, float] = field(default_factory=dict)
    outcome: str = "kept"
    reason: str | None = None
    measured: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """A record that was not kept. `parent` is the record it came from (a page for an image occurrence)."""

    VERSION: ClassVar[int] = 1
    stage: str
    unit: str
    """record, page, image_occurrence, image, pair, sample."""
    key: str
    parent: str | None = None
    url: str | None = None
    outcome: str
    """rejected or dead."""
    reason: str
    measured: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """Every filter's value of one record of one stage, kept or not."""

    VERSION: ClassVar[int] = 1
    stage: str
    unit: str
    key: str
    parent: str | None = None
    outcome: str
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceRow:
    """Where a record came from and how it went: outside the digest."""

    VERSION: ClassVar[int] = 1
    stage: str
    key: str
    url: str | None = None
    warc: str | None = None
    offset: int | None = None
    record_id: str | None = None
    fetched_at: str | None = None
    signals: tuple[Signal, ...] = ()
    error: str | None = None
    message: str | None = None
    traceback: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a sample in its tar: the field is the name after the first dot, places in bytes."""

    field: str
    offset: int
    size: int
    sha256: str | None = None
    """Of the image as fetched: its identity. None for a member that is not an image."""
    stored_sha256: str
    """Of the member's bytes."""
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarRow:
    """One sample of a shard: the row of the Parquet beside the tar. Width to sha256 are the first image's."""

    VERSION: ClassVar[int] = 1
    key: str
    status: str = "success"
    """img2dataset's column; its readers look for it."""
    url: str
    page_url: str | None = None
    caption: str | None = None
    text_length: int = 0
    """In characters, over all texts of the sample."""
    images: int = 0
    width: int | None = None
    height: int | None = None
    sha256: str | None = None
    stored_sha256: str | None = None
    language: str | None = None
    split: str = "train"
    license: str | None = None
    opt_out_signals: tuple[str, ...] = ()
    """name=value of each signal seen."""
    scores: dict[str, float] = field(default_factory=dict)
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCounts:
    """A stage's conservation for one unit: `records_in` = kept + all rejected + all dead."""

    stage: str
    unit: str
    records_in: int
    kept: int
    rejected: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)

    @property
    def unaccounted(self) -> int:
        """Records that went in and came out nowhere (or, negative, out of nowhere)."""
        return self.records_in - self.kept - sum(self.rejected.values()) - sum(self.dead.values())

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Reasons of what was rejected and classes of what is dead with their counts, commonest first."""
        return sorted({**self.rejected, **self.dead}.items(), key=lambda item: (-item[1], item[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of a dataset: its name inside it, its bytes' hash, and for a table the hash of its rows."""

    name: str
    sha256: str
    bytes: int
    rows: int | None = None
    rows_digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardEntry:
    """One shard: a tar, its sidecar and its statistics."""

    index: int
    tar: FileEntry
    sidecar: FileEntry
    stats: FileEntry
    samples: int
