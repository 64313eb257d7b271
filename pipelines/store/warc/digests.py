"""The digests that WARC records carry, checked against what the records hold."""

import base64
import hashlib
from typing import Any

from corpusloom.schemas.verdicts import Dead

ALGORITHMS = {"sha1": 20, "sha256": 32, "sha512": 64, "md5": 16}
"""Those that are checked, with the bytes of a digest; another is left alone."""
STEP = 1 << 20


def parse_digest(text: str | None) -> tuple[str, bytes] | None:
    """Return algorithm and bytes of a WARC digest in Base32 or hexadecimal; None for one that is not checked."""
    algorithm, _, value = (text or "").partition(":")
    algorithm, value = algorithm.strip().lower().replace("-", ""), value.strip()
    size = ALGORITHMS.get(algorithm)
    if size is None:
        return None
    try:
        if len(value) == 2 * size:
            return algorithm, bytes.fromhex(value)
        return algorithm, base64.b32decode(value.upper() + "=" * (-len(value) % 8))
    except ValueError:
        return algorithm, b""  # what is spelled wrongly fits nothing


def check_digests(record: Any, block: bytes, unchunked: bytes | None) -> Dead | None:
    """Return what is wrong with a record's digests, None when they fit or it carries none.

    Args:
      record: fastwarc's record, of which `block` was read; the rest is read here.
      block: The beginning of its block.
      unchunked: An HTTP body without its transfer coding: writers differ on whether a payload's digest is over that.
    """
    expected = parse_digest(record.headers.get("WARC-Block-Digest"))
    whole = len(block) >= int(record.content_length)
    if expected is not None and _hash_all(record, block, expected[0]) != expected[1]:
        return Dead("digest_mismatch", f"the block is not {record.headers.get('WARC-Block-Digest')}")
    expected = parse_digest(record.headers.get("WARC-Payload-Digest"))
    if expected is None or not whole or record.headers.get("WARC-Type") == "revisit":
        return None
    bodies = [block] if unchunked is None else [block.partition(b"\r\n\r\n")[2], unchunked]
    if not any(hashlib.new(expected[0], body, usedforsecurity=False).digest() == expected[1] for body in bodies):
        return Dead("digest_mismatch", f"the payload is not {record.headers.get('WARC-Payload-Digest')}")
    return None


def _hash_all(record: Any, block: bytes, algorithm: str) -> bytes:
    state = hashlib.new(algorithm, block, usedforsecurity=False)
    while part := record.reader.read(STEP):
        state.update(part)
    return state.digest()
