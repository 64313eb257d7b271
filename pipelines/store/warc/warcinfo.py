"""Reads what a WARC states about its crawler: the first record of type warcinfo."""

import zlib

from fastwarc.warc import WarcRecordType

from corpusloom.pipelines.store.warc.records import record_at
from corpusloom.schemas import storage

MAX_BLOCK = 65_536
"""Bytes of a warcinfo block that are read."""
MAX_VALUE = 120
"""Characters of a value that are kept."""


def read_warcinfo(path: str) -> dict[str, str]:
    """Return the fields of the warcinfo record that a WARC begins with, names in lower case; empty without one.

    Control characters and characters that Markdown gives a meaning are removed, since the values are strangers' texts
    that a dataset's documents quote.
    """
    try:
        with storage.open_input(path) as handle:
            record = record_at(handle, 0)
            if record is None or record.record_type != WarcRecordType.warcinfo:
                return {}
            block = record.reader.read(MAX_BLOCK)
    except (OSError, EOFError, ValueError, zlib.error):
        return {}  # reading the records reports the damage
    fields = (line.partition(":") for line in block.decode("utf-8", "replace").splitlines())
    return {name.strip().lower(): _plain(value) for name, separator, value in fields if separator and _plain(value)}


def _plain(value: str) -> str:
    kept = "".join(letter for letter in value if letter.isprintable() and letter not in "<>[]`|*\\")
    return " ".join(kept.split())[:MAX_VALUE]
