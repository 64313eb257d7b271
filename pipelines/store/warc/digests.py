"""Writes and parses digests of WARC records, and checks them against the records' bytes."""

import base64
import hashlib

from fastwarc.warc import WarcRecord

from corpusloom.pipelines.store.warc.responses import split_http
from corpusloom.schemas.verdicts import Dead

ALGORITHMS = {"sha1": 20, "sha256": 32, "sha512": 64, "md5": 16}
"""Algorithm -> bytes of its digest. Digests of other algorithms are ignored."""
STEP = 1 << 20
"""Bytes per read while a block is hashed."""


def digest_of(data: bytes, algorithm: str = "sha1") -> str:
    """Return a WARC digest in Base32. SHA-1 is the default because every WARC tool reads it."""
    return spell_digest(algorithm, hashlib.new(algorithm, data, usedforsecurity=False).digest())


def spell_digest(algorithm: str, digest: bytes) -> str:
    """Return a digest as WARC headers spell it: "sha1:" and Base32."""
    return f"{algorithm}:{base64.b32encode(digest).decode()}"


def parse_digest(text: str | None) -> tuple[str, bytes] | None:
    """Return algorithm and bytes of a WARC digest in Base32 or hexadecimal; None for an unknown algorithm."""
    algorithm, _, value = (text or "").partition(":")
    algorithm, value = algorithm.strip().lower().replace("-", ""), value.strip()
    size = ALGORITHMS.get(algorithm)
    if size is None:
        return None
    try:
        if len(value) == 2 * size and "=" not in value:  # MD5 in padded Base32 has as many characters
            return algorithm, bytes.fromhex(value)
        return algorithm, base64.b32decode(value.upper() + "=" * (-len(value) % 8))
    except ValueError:
        return algorithm, b""  # a malformed digest matches nothing


def check_digests(record: WarcRecord, block: bytes, unchunked: bytes | None) -> Dead | None:
    """Return Dead if a digest of the record does not match its bytes; None if all match or there is none.

    Args:
      record: The record, of which `block` has been read. The rest of its block is read here.
      block: The beginning of the record's block.
      unchunked: The HTTP body without its transfer coding. Some writers compute the payload digest over it, others
        over the body as it was transferred; either one is accepted.
    """
    expected = parse_digest(record.headers.get("WARC-Block-Digest"))
    whole = len(block) >= int(record.content_length)
    if expected is not None and _hash_all(record, block, expected[0]) != expected[1]:
        return Dead("digest_mismatch", f"the block is not {record.headers.get('WARC-Block-Digest')}")
    expected = parse_digest(record.headers.get("WARC-Payload-Digest"))
    if expected is None or not whole or record.headers.get("WARC-Type") == "revisit":
        return None
    bodies = [block] if unchunked is None else [split_http(block)[1], unchunked]
    if not any(hashlib.new(expected[0], body, usedforsecurity=False).digest() == expected[1] for body in bodies):
        return Dead("digest_mismatch", f"the payload is not {record.headers.get('WARC-Payload-Digest')}")
    return None


def _hash_all(record: WarcRecord, block: bytes, algorithm: str) -> bytes:
    state = hashlib.new(algorithm, block, usedforsecurity=False)
    while part := record.reader.read(STEP):
        state.update(part)
    return state.digest()
