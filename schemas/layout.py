"""The layout of a dataset: shard numbers, names of files and members, and the extensions that a reader accepts."""

import codecs
import re

from corpusloom.schemas.errors import ConfigError

FORMAT_VERSION = 2
"""Version of the dataset format; readers refuse a newer one. Version 1 had no crc32c of members in its sidecars."""

MANIFEST = "manifest.json"
CLAIM = ".building.json"
"""File that marks a folder into which a build writes, or whose build failed."""
SIZES = "sizes.json"
KEY_DIGITS = 32
IMAGE_EXTENSIONS = ("jpg", "png", "webp")
EXTENSIONS = (*IMAGE_EXTENSIONS, "json", "txt", "npz")
"""The only member extensions that a reader opens; none of them can hold code, as a pickle can."""

FOREIGN = "foreign"
"""Recipe name of an index over tars that others made."""

KINDS = ("interleaved", "pairs", "clips", "regions")

RECORDS_PER_SHARD = 10_000
_TEXT_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHARD_FILE = re.compile(r"[0-9]+(\.tar|\.parquet|_stats\.json)")
_TABLE_FILE = re.compile(r"(ledger|scores|provenance)/[a-z0-9_-]+\.parquet")
_DOCUMENT = re.compile(r"[A-Za-z0-9_-]+\.(json|md|html)")


def default_shards(records: int) -> int:
    """Return the smallest power of two of shards that hold at most RECORDS_PER_SHARD records each, on average."""
    shards = 1
    while records > shards * RECORDS_PER_SHARD:
        shards *= 2
    return shards


def check_shards(shards: int) -> int:
    """Return `shards` if it is a power of two between 1 and 2**20; else raise ConfigError."""
    if shards < 1 or shards > 1 << 20 or shards & (shards - 1):
        raise ConfigError(f"--shards {shards} is not a power of two", remedy="use 1, 2, 4, 8, ... 1048576")
    return shards


def shard_of(key: str, shards: int) -> int:
    """Return the shard of a key: the top bits of the key, so that doubling `shards` divides each shard in two."""
    return int(key[:8], 16) * shards >> 32


def shard_stem(index: int) -> str:
    """Return the common name of a shard's tar, sidecar and statistics: 00000, 00001 ..."""
    return f"{index:05d}"


def shard_files(index: int) -> tuple[str, str, str]:
    """Return the names of a shard's tar, sidecar and statistics file."""
    stem = shard_stem(index)
    return f"{stem}.tar", f"{stem}.parquet", f"{stem}_stats.json"


def is_shard_file(name: str) -> bool:
    """Return True if a file in a dataset's folder has the name of a shard's file."""
    return _SHARD_FILE.fullmatch(name) is not None


def is_table_file(name: str) -> bool:
    """Return True if a name in a manifest is that of a table: ledger/select.parquet."""
    return _TABLE_FILE.fullmatch(name) is not None


def is_document(name: str) -> bool:
    """Return True if a name in a manifest is that of a document: README.md, croissant.json."""
    return _DOCUMENT.fullmatch(name) is not None


def member_name(key: str, field: str) -> str:
    """Return a member's name in a tar. Readers split it at the first dot, so a key must not contain one."""
    return f"{key}.{field}"


def image_field(index: int, extension: str) -> str:
    """Return the field of an image of an interleaved sample or video clip: 000.jpg, 001.png ..."""
    return f"{index:03d}.{extension}"


def extension_of(field: str) -> str:
    """Return the extension of a field in lower case: jpg for 000.jpg, json for json."""
    return field.rsplit(".", 1)[-1].lower()


def table_kind(name: str) -> str:
    """Return the kind of a table from its name in the manifest: ledger for ledger/select.parquet."""
    return name.partition("/")[0]


def decode_text(data: bytes) -> str:
    """Return text without its byte order mark: UTF-8, or UTF-16 or UTF-32 with a mark; else UnicodeDecodeError."""
    encoding = next((name for mark, name in _TEXT_MARKS if data.startswith(mark)), "utf-8-sig")
    return data.decode(encoding)
