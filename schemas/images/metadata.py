"""Removes private metadata from an image without re-encoding, and finds opt-outs in its metadata."""

import contextlib
import re
import struct
import zlib
from collections.abc import Iterator

from corpusloom.schemas.images.containers import ICC, PNG_SIGNATURE, jpeg_segments, png_chunks, riff_chunks
from corpusloom.schemas.images.ends import END_OF_JPEG
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.headers import read_header

MAX_INFLATED = 1 << 24
"""Inflated bytes of all compressed texts of a PNG that are searched for opt-outs."""

_ENTROPY_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT bKGD pHYs acTL fcTL fdAT".split(b" ")
)
_WEBP_DROPPED = frozenset((b"EXIF", b"XMP "))


def strip_metadata(data: bytes) -> bytes:
    """Remove metadata that displaying an image does not need, without re-encoding: EXIF, XMP, IPTC, C2PA, texts.

    The orientation (as an EXIF block with that tag alone), the ICC profile and Adobe's colour transform are kept.
    Bytes after the end of a JPEG (a second image, a video) and between its segments are removed, and a missing
    end-of-image marker is added. Bytes that cannot be parsed are returned unchanged.
    """
    try:
        header = read_header(data)
        strip = {"jpeg": _strip_jpeg, "png": _strip_png, "webp": _strip_webp}.get(header.format)
        return data if strip is None else strip(data, header.orientation)
    except (ImageError, IndexError, struct.error):
        return data


def _exif_of(orientation: int) -> bytes:
    """Return a TIFF block whose only tag is the orientation."""
    return b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def _strip_jpeg(data: bytes, orientation: int) -> bytes:
    parts = [data[:2]]
    exif = b"Exif\0\0" + _exif_of(orientation)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif if orientation != 1 else b""
    for marker, start, end in jpeg_segments(data):
        if marker == 0xDA:
            return b"".join((*parts, segment, *_scans(data, start), END_OF_JPEG))
        kept = _is_kept(data, marker, start)
        if kept:
            parts.append(data[start:end])
        if segment and (marker == 0xE0 or kept):
            parts.append(segment)
            segment = b""
    return data


def _is_kept(data: bytes, marker: int, start: int) -> bool:
    """Return whether displaying a JPEG needs a segment: it is no comment and of no application, but for three."""
    if marker == 0xE2:
        return data[start + 4 : start + 16] == ICC
    if marker in (0xE0, 0xEE):
        return data[start + 4 : start + 9] == (b"JFIF\0" if marker == 0xE0 else b"Adobe")
    return not (0xE0 <= marker <= 0xEF or marker == 0xFE)


def _scans(data: bytes, at: int) -> Iterator[bytes]:
    """Yield the scans from an offset up to the end-of-image marker, with the segments between them that are kept."""
    while data[at + 1] != 0xD9:
        marker, end = data[at + 1], at + 2 + (data[at + 2] << 8 | data[at + 3])
        found = _ENTROPY_END.search(data, end)
        following = found.start() if found else len(data)
        if marker == 0xDA:
            yield data[at:following]
        elif _is_kept(data, marker, at):
            yield data[at:end]
        if found is None:
            return
        at = following


def _strip_png(data: bytes, orientation: int) -> bytes:
    parts = [PNG_SIGNATURE]
    for kind, start, end in png_chunks(data):
        if kind == b"IDAT" and orientation != 1:
            body = b"eXIf" + _exif_of(orientation)
            parts.append(struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)))
            orientation = 1
        if kind in _PNG_KEPT:
            parts.append(data[start:end])
    return b"".join(parts)


def _strip_webp(data: bytes, orientation: int) -> bytes:
    chunks = [data[start:end] for kind, start, end in riff_chunks(data) if kind not in _WEBP_DROPPED]
    flags = 0x08 if orientation != 1 else 0
    for at, chunk in enumerate(chunks):
        if chunk[:4] == b"VP8X":
            chunks[at] = chunk[:8] + bytes([chunk[8] & ~0x0C | flags]) + chunk[9:]
    if flags:
        body = _exif_of(orientation)
        chunks.append(b"EXIF" + struct.pack("<I", len(body)) + body)
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


_FORBIDDEN = re.compile(rb"notAllowed|constrained")
_NEAR = 4_096
_MINING_ASSERTIONS = (b"cawg.training-mining", b"c2pa.training-mining")


def opt_out_of_metadata(data: bytes) -> str | None:
    """Return the name of an opt-out inside an image's metadata, or None.

    iptc_data_mining: a PLUS DataMining value that prohibits (IPTC 2023.1). c2pa_training_mining: a training-mining
    assertion with a use that is notAllowed or constrained. The raw bytes are scanned, and the compressed texts of a
    PNG after they are inflated.
    """
    for text in (data, *_inflated_texts(data)):
        if b"DMI-PROHIBITED" in text:
            return "iptc_data_mining"
        if any(_forbids_mining(text, name) for name in _MINING_ASSERTIONS):
            return "c2pa_training_mining"
    return None


def _forbids_mining(text: bytes, assertion: bytes) -> bool:
    """Return whether an assertion is followed within `_NEAR` bytes by a forbidden use; in linear time."""
    place = text.find(assertion)
    while place >= 0:
        found = _FORBIDDEN.search(text, place)
        if found is None:
            return False
        if found.end() <= place + _NEAR:
            return True
        place = text.find(assertion, max(place + 1, found.start() - _NEAR))
    return False


def _inflated_texts(data: bytes) -> Iterator[bytes]:
    """Yield the compressed texts of a PNG, cut at MAX_INFLATED bytes in all."""
    if data[:8] != PNG_SIGNATURE:
        return
    left = MAX_INFLATED
    with contextlib.suppress(ImageError, struct.error):
        for kind, start, end in png_chunks(data):
            packed = _compressed_text(kind, data[start + 8 : end - 4]) if kind in (b"zTXt", b"iTXt") else b""
            text = _inflate(packed, left) if packed else b""
            if text:
                yield text
            left -= len(text)
            if not left:
                return


def _compressed_text(kind: bytes, chunk: bytes) -> bytes:
    """Return the compressed part of a zTXt or iTXt chunk; b"" if its text is not compressed."""
    rest = chunk.partition(b"\0")[2]
    if kind == b"zTXt":
        return rest[1:]
    return rest[2:].partition(b"\0")[2].partition(b"\0")[2] if rest[:1] == b"\1" else b""


def _inflate(data: bytes, limit: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, limit)
    except zlib.error:
        return b""
