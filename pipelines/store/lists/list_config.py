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
    def kept(self) -> tuple[str, ...]:
        """Further columns that are read."""
        return ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Columns that must hold text: the URL, then the caption if there is one."""
        return (self.url_column, self.caption_column) if self.caption_column else (self.url_column,)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns to read: URL, caption, further ones."""
        return (*self.texts, *self.kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairListConfig(ListConfig):
    """Columns of a list of pairs."""

    keep_columns: tuple[str, ...] = ()
    """Further columns to keep in each pair's JSON, such as similarity or punsafe; `filters.columns.bounds` can judge
    those with numbers."""

    @property
    def kept(self) -> tuple[str, ...]:
        """Further columns that are read, each once, without those of URL and caption."""
        own = (self.url_column, self.caption_column)
        return tuple(name for name in dict.fromkeys(self.keep_columns) if name not in own)
