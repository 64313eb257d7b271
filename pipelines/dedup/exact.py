"""Exact duplicates: the keys of texts."""

import hashlib
import unicodedata


def text_key(text: str) -> str:
    """Return the strict key of a text: blake2b-128 of NFC with white space collapsed."""
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    return hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
