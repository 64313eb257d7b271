"""Scripts in which one language is written, for the language of texts that are too short for a detector."""

from collections.abc import Sequence

VERSION = 1
_RANGES = (
    (0x0370, 0x03FF, "el"),
    (0x0530, 0x058F, "hy"),
    (0x0590, 0x05FF, "he"),
    (0x0A00, 0x0A7F, "pa"),
    (0x0A80, 0x0AFF, "gu"),
    (0x0B00, 0x0B7F, "or"),
    (0x0B80, 0x0BFF, "ta"),
    (0x0C00, 0x0C7F, "te"),
    (0x0C80, 0x0CFF, "kn"),
    (0x0D00, 0x0D7F, "ml"),
    (0x0D80, 0x0DFF, "si"),
    (0x0E00, 0x0E7F, "th"),
    (0x0E80, 0x0EFF, "lo"),
    (0x1000, 0x109F, "my"),
    (0x10A0, 0x10FF, "ka"),
    (0x1100, 0x11FF, "ko"),
    (0x1780, 0x17FF, "km"),
    (0x3040, 0x30FF, "ja"),
    (0xAC00, 0xD7AF, "ko"),
)
"""(first code point, last one, language) of blocks of Unicode whose letters are of one language almost everywhere."""
_HAN = ((0x3400, 0x9FFF), (0xF900, 0xFAFF))
"""Ideographs, which Japanese and Korean texts have among their own letters."""


def script_language(letters: Sequence[str]) -> str | None:
    """Return the language in whose script all letters are, ideographs aside; None if there is no such language."""
    own = {_language_of(ord(letter)) for letter in letters if not _is_han(ord(letter))}
    return own.pop() if len(own) == 1 else None


def _language_of(code: int) -> str | None:
    return next((language for first, last, language in _RANGES if first <= code <= last), None)


def _is_han(code: int) -> bool:
    return any(first <= code <= last for first, last in _HAN)
