"""Formats of lists by their names, and the lists that a path, a folder or a glob names."""

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError

FORMATS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".txt": "text",
}
"""Extension -> format."""
COMPRESSED = (".gz", ".bz2", ".zst")
"""Extensions of compressed lists, after that of a format of text."""
_HIDDEN = ("_", ".")
"""Beginnings of names that programs write beside lists, such as _SUCCESS and .part.crc."""


def find_format(path: str) -> str | None:
    """Return the format of a list by the extension of its name, or None."""
    name = path.rsplit("/", 1)[-1].lower()
    for extension, kind in FORMATS.items():
        if name.endswith((extension, *(extension + end for end in COMPRESSED if kind != "parquet"))):
            return kind
    return None


def format_of(path: str) -> str:
    """Return the format of a list by the extension of its name; an unknown extension is a ConfigError."""
    found = find_format(path)
    if found is None:
        remedy = f"rename it to end in {', '.join(FORMATS)}, but for Parquet also with {', '.join(COMPRESSED)}"
        raise ConfigError("unknown format of a list", where=path, remedy=remedy)
    return found


def find_lists(patterns: tuple[str, ...]) -> list[str]:
    """Return the paths of the lists that paths, folders and globs name, each once, sorted.

    Of a folder, files with the extension of a list are taken, unless their names begin with `_` or a dot. A folder or
    glob with lists of two formats is an InputError, since they may be the same list twice.
    """
    return sorted({path for pattern in patterns for path in _lists_of(pattern)})


def _lists_of(pattern: str) -> list[str]:
    paths = storage.expand(pattern)
    if storage.is_folder(pattern):
        paths = [path for path in paths if find_format(path) and not path.rsplit("/", 1)[-1].startswith(_HIDDEN)]
        if not paths:
            raise InputError(f"holds no list ({', '.join(FORMATS)})", where=pattern, remedy="check the path")
    formats = sorted({format_of(path) for path in paths})
    if len(formats) > 1:
        remedy = "name one format by a quoted glob, such as 'FOLDER/*.parquet'"
        raise InputError(f"has lists of several formats: {', '.join(formats)}", where=pattern, remedy=remedy)
    return paths
