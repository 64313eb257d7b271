"""Which columns of a URL list are read. Nothing heavy is imported here: the command line asks for it at every start."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ListConfig:
    """Columns of a list that are read."""

    url_column: str = "url"
    """Column of the image URLs."""
    caption_column: str | None = None
    """Column of the captions; None if the list has none."""
