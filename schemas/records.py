"""The records: frozen dataclasses that stages, shards and tables share.

Each class is one row of a table; `corpusloom.schemas.arrow` derives its Arrow schema from the annotations. A change of
a class needs a higher VERSION and an entry in `corpusloom.schemas.arrow.UPGRADES` for tables of the older one.
"""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef:
    """An image as a page refers to it. Declared sizes are from the tag, in CSS pixels."""

    url: str
    alt_text: str | None = None
    caption: str | None = None
    title: str | None = None
    image_title: str | None = None
    """Value of the attribute data-image-title."""
    link: str | None = None
    declared_width: int | None = None
    declared_height: int | None = None
    source: str = "src"
    """Attribute or element that held the URL: src, srcset, data-src, noscript, css, meta ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One text or one image of a page, in reading order; exactly one of `text` and `image` is set."""

    kind: str
    """One of heading, paragraph, list, table, code, quote, caption, other and image."""
    text: str | None = None
    image: ImageRef | None = None
    level: int | None = None
    """Level of a heading, 1 to 6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """An opt-out or licence signal as it was found (robots.txt, TDMRep, IPTC ...)."""

    name: str
    value: str
    where: str
    """Place of the signal: robots_txt, header, meta, file or image."""
    seen_at: str
    """Time at which it was seen, RFC 3339 in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One web page: its blocks in reading order, its language and its scores. The unit of M3W."""

    VERSION: ClassVar[int] = 2
    key: str
    parent: str = ""
    """Key of the WARC record that the page was read from."""
    url: str
    canonical_url: str
    fetched_at: str
    language: str | None = None
    title: str | None = None
    blocks: tuple[Block, ...] = ()
    meta_images: tuple[ImageRef, ...] = ()
    """Images that the page names only in its metadata, such as og:image; they are not blocks."""
    scores: dict[str, float] = field(default_factory=dict)
    signals: tuple[Signal, ...] = ()
    license: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An image URL and one text for it; `parent` is the key of the page."""

    VERSION: ClassVar[int] = 5
    key: str
    parent: str
    page_url: str
    page_language: str | None = None
    """Language of the page's text, if the recipe judges short texts by it."""
    image_url: str
    text: str
    original: str | None = None
    """The text before it was rewritten; None for a text that was not."""
    text_source: str
    """Source of the text: one of `candidates.texts`; caption for a row of a list; empty without a text."""
    cleaned: tuple[str, ...] = ()
    """Kinds of text that were removed or repaired: html_tags, html_entities, mojibake, control_characters."""
    columns: dict[str, str] = field(default_factory=dict)
    """Further columns of the list that the pair is from: name -> value as text."""
    language: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    license: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoClip:
    """A stretch of a video, as frames at a fixed rate, and its text. Times are in seconds from the first frame."""

    VERSION: ClassVar[int] = 1
    key: str
    parent: str
    """Key of the video."""
    video_url: str
    """URL of the video, or its path below the folder that was given."""
    video_sha256: str
    text: str
    text_source: str
    """subtitles, caption or title."""
    subtitle_language: str | None = None
    """Language of the subtitles by the name of their file."""
    start: float
    end: float
    fps: float
    """Frames per second of the clip."""
    frames: int
    """Number of frames."""
    frame_times: tuple[float, ...] = ()
    """Time of each frame by the video; a frame that is shown longer occurs again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """The regions that a detector found in a pair's image (ViLBERT).

    The arrays are in the sample's regions.npz: boxes [n, 4] float32 in pixels (x1, y1, x2, y2), features
    [n, feature_width] float16 and class_probs [n, class_count] float16.
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
    """Name of the detector and hash of its weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """The outcome of fetching one image URL: one row of the image store's index."""

    VERSION: ClassVar[int] = 2
    key: str
    """Key of the image URL: 32 hex digits."""
    url: str
    final_url: str | None = None
    status: int | None = None
    outcome: str
    """One of kept, rejected, dead and withdrawn (an outcome of an earlier generation is taken back)."""
    reason: str | None = None
    """Reason of a rejection or a withdrawal, or error class of a dead outcome."""
    final: bool = True
    """False for a transient error, which `loom images --retry dead` fetches again."""
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
    """Name of the pack inside the store."""
    offset: int | None = None
    """Offset of the WARC record in the pack, in bytes."""
    length: int | None = None
    """Length of the WARC record, in bytes."""
    policy: str | None = None
    """Settings other than the defaults that decided a refusal of ours; under others the URL is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """Facts about an image's bytes: one row per sha256, however many pages show the image."""

    VERSION: ClassVar[int] = 2
    sha256: str
    width: int
    """Width in pixels as displayed, after EXIF orientation."""
    height: int
    """Height in pixels as displayed, after EXIF orientation."""
    format: str
    size: int
    """Bytes of the file as fetched."""
    dhash: str
    """Difference hash: 64 bits as 16 hex digits."""
    phash: str
    """Perceptual hash: 64 bits as 16 hex digits."""
    grid: bytes
    """Mean colours of a 4 x 4 grid, 48 bytes of RGB row by row: compared where the hashes agree."""
    gray_std: float
    """Standard deviation of the gray values, 0 to 255."""
    colour_range: float
    """Largest difference within any channel, 0 to 255; 0 for an image of a single colour."""
    opt_out: str | None = None
    """Name of the metadata signal that reserves rights, if the file has one."""
    error: str | None = None
    """Reason why the image cannot be decoded; its sizes are then from the header and its hashes empty."""
    model_scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorOutput:
    """Regions that a detector found in an image; the image store keeps one row per image content and detector."""

    VERSION: ClassVar[int] = 2
    sha256: str
    """SHA-256 of the image as the detector saw it, which a recipe may have resized or encoded again; for outputs read
    from files, of this hash and the image's name there."""
    image_sha256: str
    """SHA-256 of the image as fetched: a take-down finds the row by it."""
    image_width: int = 0
    """Width in pixels of the image that the boxes count in; 0 in rows of version 1: the pair's."""
    image_height: int = 0
    count: int = 0
    """Number of boxes."""
    feature_width: int = 0
    class_count: int = 0
    """Number of classes, 0 if the detector's outputs have no class probabilities."""
    regions: bytes = b""
    """regions.npz: boxes, features and class probabilities; empty if there is an error."""
    place: str | None = None
    """Line of a file that the outputs were read from, NAME:LINE."""
    error: str | None = None
    """Reason why the image has no regions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScore:
    """The score that a model gives an image; kept in the image store beside `ImageFacts`."""

    VERSION: ClassVar[int] = 1
    sha256: str
    model: str
    score: float | None = None
    """The score; None for an image that cannot be decoded, or whose score is not finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScore:
    """The score that a model gives an image, or an image and a text; kept in the image store, one folder per model."""

    VERSION: ClassVar[int] = 1
    key: str
    """Hash of both sha256."""
    sha256: str
    """SHA-256 of the image as fetched."""
    text_sha256: str = ""
    """SHA-256 of the text as UTF-8; empty for a score of the image alone."""
    score: float | None = None
    error: str | None = None
    """Reason why there is no score: the image cannot be decoded, or the model returned no finite number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The part of a page or pair that corpus-wide rules need, with the verdict so far."""

    VERSION: ClassVar[int] = 2
    RECORD: ClassVar[str] = "Candidate"
    """Name in Parquet metadata: the class's earlier name, so that older work folders stay readable."""
    unit: str
    key: str
    parent: str
    url: str
    rank: str = ""
    """Order among duplicates: the smallest rank is kept. It depends on the record alone, not on the run."""
    mixture: str = ""
    """Order among near-duplicates before the rank: tenths of the text that are not in the wanted languages."""
    text_key: str = ""
    """Key of the text; equal for exact duplicates."""
    image_key: str = ""
    """Key of a pair's image."""
    images: tuple[str, ...] = ()
    """URLs of the page's images, in reading order."""
    bands: tuple[str, ...] = ()
    """MinHash band keys of the text, in hex; empty if the recipe does not remove near-duplicates."""
    paragraphs: tuple[str, ...] = ()
    """Keys of the paragraphs within the domain, repeats included; empty if the recipe does not count them."""
    tokens: tuple[str, ...] = ()
    """Keys of a pair's unigrams and bigrams, repeats included; empty if the recipe does not count them."""
    entries: tuple[str, ...] = ()
    """Keys of the metadata's entries that a pair's text has; empty if the recipe does not balance them."""
    frequent_paragraphs: tuple[str, ...] = ()
    """Keys of paragraphs that occur too often in the domain; they are dropped when the page is written."""
    scores: dict[str, float] = field(default_factory=dict)
    outcome: str = "kept"
    reason: str | None = None
    measured: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """A record that was not kept. `parent` is the record that it came from (a page for an image occurrence)."""

    VERSION: ClassVar[int] = 1
    stage: str
    unit: str
    """Unit of the record: record, page, image_occurrence, image, pair or sample."""
    key: str
    parent: str | None = None
    url: str | None = None
    outcome: str
    """One of rejected and dead."""
    reason: str
    measured: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """The values that the filters of one stage measured on one record, kept or not."""

    VERSION: ClassVar[int] = 1
    stage: str
    unit: str
    key: str
    parent: str | None = None
    outcome: str
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceRow:
    """The source of a record, and the error that ended it if there is one. Not part of the digest."""

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
    """One member of a sample in its tar."""

    field: str
    """The member's name after the first dot: jpg, 000.jpg, json ..."""
    offset: int
    """Offset of the member's data in the tar, in bytes."""
    size: int
    """Size of the member's data, in bytes."""
    sha256: str | None = None
    """sha256 of the image as fetched, which identifies it; None for a member that is not an image."""
    stored_sha256: str
    """sha256 of the member's data."""
    width: int | None = None
    """Width of the image in pixels, as displayed."""
    height: int | None = None
    """Height of the image in pixels, as displayed."""
    crc32c: int | None = None
    """CRC-32C of the member's data, which the loader compares; None in datasets of format 1. Not hashed in digests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarRow:
    """One sample of a shard: a row of the Parquet file beside the tar.

    `width`, `height`, `sha256` and `stored_sha256` are those of the first image.
    """

    VERSION: ClassVar[int] = 2
    key: str
    status: str = "success"
    """Always "success": readers of img2dataset's layout expect this column."""
    url: str
    page_url: str | None = None
    caption: str | None = None
    text_length: int = 0
    """Characters of all texts of the sample."""
    images: int = 0
    """Number of images."""
    width: int | None = None
    height: int | None = None
    sha256: str | None = None
    stored_sha256: str | None = None
    language: str | None = None
    split: str = "train"
    license: str | None = None
    opt_out_signals: tuple[str, ...] = ()
    """The signals that were seen, each as name=value."""
    scores: dict[str, float] = field(default_factory=dict)
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCounts:
    """Outcomes of one stage's records of one unit, counted: `records_in` = kept + all rejected + all dead."""

    stage: str
    unit: str
    records_in: int
    kept: int
    rejected: dict[str, int] = field(default_factory=dict)
    """Reason -> number of records."""
    dead: dict[str, int] = field(default_factory=dict)
    """Error class -> number of records."""
    remarks: dict[str, int] = field(default_factory=dict)
    """Remark -> number of kept records that have it, such as `html_tags`: removed from a caption."""

    @property
    def unaccounted(self) -> int:
        """Records that went in and have no outcome; negative if there are more outcomes than records."""
        return self.records_in - self.kept - sum(self.rejected.values()) - sum(self.dead.values())

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Reasons of rejections and error classes with their counts, the commonest first, then by name."""
        return sorted({**self.rejected, **self.dead}.items(), key=lambda item: (-item[1], item[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of a dataset."""

    name: str
    """Path inside the dataset."""
    sha256: str
    bytes: int
    rows: int | None = None
    """Number of rows of a table."""
    rows_digest: str | None = None
    """Hash of a table's rows, which does not depend on how Parquet encodes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardEntry:
    """One shard: a tar, its sidecar and its statistics file."""

    index: int
    tar: FileEntry
    sidecar: FileEntry
    stats: FileEntry
    samples: int
