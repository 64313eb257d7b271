"""How a dataset lies on disk: shard numbers and names, members, what a reader accepts."""

from corpusloom.schemas.errors import ConfigError

FORMAT_VERSION = 1
"""Of the dataset as a whole; readers refuse a newer one."""

MANIFEST = "manifest.json"
SIZES = "sizes.json"
KEY_DIGITS = 32
IMAGE_EXTENSIONS = ("jpg", "png", "webp")
EXTENSIONS = (*IMAGE_EXTENSIONS, "json", "txt", "npz")
"""The only member extensions that a reader opens: no pickle anywhere."""

FOREIGN = "foreign"
"""The recipe of an index over tars that others made."""

KINDS = ("interleaved", "pairs", "clips", "regions")

RECORDS_PER_SHARD = 10_000


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
    """Return the shard of a key: its top bits, so that doubling `shards` splits each shard in two."""
    return int(key[:8], 16) * shards >> 32


def shard_stem(index: int) -> str:
    """Return the common name of a shard's tar, sidecar and statistics: 00000, 00001 ..."""
    return f"{index:05d}"


def member_name(key: str, field: str) -> str:
    """Return a member's name in a tar. Readers split it at the first dot, so a key holds none."""
    return f"{key}.{field}"


def image_field(index: int, extension: str) -> str:
    """Return the field of the i-th image of an interleaved sample or video clip: 000.jpg, 001.png ..."""
    return f"{index:03d}.{extension}"


def extension_of(field: str) -> str:
    """Return what follows the last dot of a field: jpg for 000.jpg, json for json."""
    return field.rsplit(".", 1)[-1].lower()


def table_kind(name: str) -> str:
    """Return the kind of a table from its name in the manifest: ledger for ledger/select.parquet."""
    return name.partition("/")[0]
