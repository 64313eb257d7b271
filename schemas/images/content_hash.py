"""Hashes of images that a list names: md5, sha256 or sha512 of the bytes as fetched, in hex."""

import hashlib
import re
from dataclasses import dataclass

from corpusloom.schemas.errors import ConfigError

HEX_DIGITS = {"md5": 32, "sha256": 64, "sha512": 128}
"""Type of hash -> its length in hex."""


@dataclass(frozen=True, slots=True)
class HashColumn:
    """A column of a list with the hashes of its images."""

    name: str
    kind: str
    """md5, sha256 or sha512."""

    def parse(self, text: str) -> str | None:
        """Return a hash in lower case; None for a text that is no hash of this type."""
        found = text.strip().lower()
        return found if re.fullmatch(f"[0-9a-f]{{{HEX_DIGITS[self.kind]}}}", found) else None

    def hash_of(self, data: bytes) -> str:
        """Return the hash of an image's bytes."""
        return hashlib.new(self.kind, data, usedforsecurity=False).hexdigest()


def hash_column(text: str) -> HashColumn:
    """Return the column that COLUMN or COLUMN:TYPE names; without a type, the name has to contain one."""
    name, _, kind = text.rpartition(":")
    if kind in HEX_DIGITS and name:
        return HashColumn(name, kind)
    named = [kind for kind in HEX_DIGITS if kind in text.lower()]
    if len(named) != 1:
        remedy = f"add the type: {text}:md5, or one of {', '.join(HEX_DIGITS)}"
        raise ConfigError(f"{text!r} does not say which hash it has", where="images.verify_hash", remedy=remedy)
    return HashColumn(text, named[0])
