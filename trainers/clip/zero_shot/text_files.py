"""The numbered lines of a text file, for class names and templates."""

from corpusloom.schemas import layout, storage
from corpusloom.schemas.errors import InputError


def numbered_lines(path: str) -> list[tuple[int, str]]:
    """Return (number from 1, text) of each line that is not blank, without spaces around it; InputError if not text."""
    try:
        text = layout.decode_text(storage.read_bytes(path))
    except UnicodeDecodeError as error:
        raise InputError("not a text file", where=path, remedy="write it as UTF-8") from error
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
