"""How a URL list is read. Nothing heavy is imported here: the command line asks for it at every start."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ListConfig:
    """Columns of a list that are read, and its encoding."""

    url_column: str = "url"
    """Column of the image URLs."""
    caption_column: str | None = None
    """Column of the captions, which recipes of pairs need."""
    list_encoding: str | None = None
    """Encoding of CSV, TSV, JSONL and text lists, such as shift_jis; by default UTF-8, UTF-16 or Windows-1252, found
    by looking at the bytes."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the columns to read: the URL, then the caption if there is one."""
        return (self.url_column, self.caption_column) if self.caption_column else (self.url_column,)
