"""How a URL list is read. Nothing heavy is imported here: the command line asks for it at every start."""

from dataclasses import dataclass

from corpusloom.schemas.errors import ConfigError

DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|"}
"""Names of delimiters that --delimiter takes besides a character."""


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
    delimiter: str | None = None
    """Delimiter of CSV, TSV and text lists: a character, or comma, tab, semicolon, pipe. By default that of the first
    line, and tabs for TSV."""
    column_names: tuple[str, ...] = ()
    """Names of the columns of CSV, TSV and text lists without a header, in their order: caption url."""

    def __post_init__(self) -> None:
        """Raise ConfigError for a delimiter of several characters, and for names that occur twice."""
        sign = self.delimiter_sign
        if sign is not None and (len(sign) != 1 or sign in '"\r\n'):
            remedy = f"give one character, or one of {', '.join(DELIMITERS)}"
            raise ConfigError(f"--delimiter is {self.delimiter!r}", remedy=remedy)
        if len(set(self.column_names)) < len(self.column_names):
            raise ConfigError("--column-names names a column twice", remedy="give each column a name of its own")

    @property
    def delimiter_sign(self) -> str | None:
        """Return the delimiter as a character; None if it is guessed."""
        return None if self.delimiter is None else DELIMITERS.get(self.delimiter, self.delimiter)

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
