"""Reads format, size, frames and orientation from an image's header, before anything is decoded.

Headers are parsed in linear time without a decoder, so that an image that declares too many pixels is refused before
memory is spent on it. Formats that are not in the table of parsers are never handed to a decoder.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

from corpusloom.schemas.images.avif import avif_facts, is_avif
from corpusloom.schemas.images.containers import (
    ICC,
    PNG_SIGNATURE,
    gif_blocks,
    jpeg_segments,
    png_chunks,
    riff_chunks,
)
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.limits import TOO_MANY_PARTS

MAX_FRAMES = 10_000
MAX_JPEG_SCANS = 200
"""Scans of one progressive JPEG. Real encoders write about ten; an attacker can repeat full-size scans endlessly."""


class ImageHeader(NamedTuple):
    """Facts of an image header: format (jpeg, png, webp, gif or avif), pixels as stored, orientation as EXIF has it."""

    format: str
    width: int
    height: int
    frames: int = 1
    orientation: int = 1
    profile: bool = False
    """True for a JPEG with an ICC profile."""

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height as displayed, after the orientation is applied."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_header(data: bytes, *, max_pixels: int | None = None) -> ImageHeader:
    """Return format, size, frames and orientation from the header alone.

    Raises ImageError with one of the reasons not_an_image, truncated_header, malformed_header, no_pixels,
    too_many_pixels, too_many_frames, too_many_scans and too_many_parts.
    """
    for matches, parse in _PARSERS:
        if matches(data):
            try:
                header = parse(data)
            except (IndexError, struct.error) as error:
                raise ImageError("truncated_header") from error
            return _check(header, max_pixels)
    raise ImageError("not_an_image")


def _check(header: ImageHeader, max_pixels: int | None) -> ImageHeader:
    if header.width < 1 or header.height < 1:
        raise ImageError("no_pixels")
    if max_pixels is not None and header.width * header.height > max_pixels:
        raise ImageError("too_many_pixels", f"{header.width} x {header.height}")
    if header.frames > MAX_FRAMES:
        raise ImageError("too_many_frames")
    return header


_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _parse_jpeg(data: bytes) -> ImageHeader:
    orientation, profile, frame = 0, False, None
    try:
        for marker, start, end in jpeg_segments(data):
            if marker == 0xE1 and not orientation and data[start + 4 : start + 10] == b"Exif\0\0":
                orientation = _orientation(data[start + 10 : min(end, start + 10 + 65_536)])
            elif marker == 0xE2:
                profile = profile or data[start + 4 : start + 16] == ICC
            elif marker in _START_OF_FRAME and frame is None:
                frame = marker, *struct.unpack_from(">HH", data, start + 5)
    except ImageError:
        if frame is None:
            raise  # else decoding reports the damage
    if frame is None:
        raise ImageError("malformed_header", "no frame before the first scan")
    marker, height, width = frame
    if marker != 0xC0 and data.count(b"\xff\xda") > MAX_JPEG_SCANS:
        raise ImageError("too_many_scans")
    return ImageHeader("jpeg", width, height, 1, orientation or 1, profile)


def _orientation(tiff: bytes) -> int:
    """Return the orientation (tag 0x0112) of an EXIF block's first directory; 1 if it is absent or invalid."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    (at,) = struct.unpack_from(order + "I", tiff, 4)
    if at + 2 > len(tiff):
        return 1
    (count,) = struct.unpack_from(order + "H", tiff, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind = struct.unpack_from(order + "HH", tiff, entry)
        if tag == 0x0112:
            value = struct.unpack_from(order + "H", tiff, entry + 8)[0] if kind == 3 else 1
            return value if 1 <= value <= 8 else 1
    return 1


def _parse_png(data: bytes) -> ImageHeader:
    if len(data) < 33:
        raise ImageError("truncated_header")
    if data[12:16] != b"IHDR":
        raise ImageError("malformed_header", "IHDR is not first")
    width, height = struct.unpack_from(">II", data, 16)
    frames, orientation = 1, 1
    try:
        for kind, start, end in png_chunks(data):
            if kind == b"acTL":
                (frames,) = struct.unpack_from(">I", data, start + 8)
            elif kind == b"eXIf":
                orientation = _orientation(data[start + 8 : min(end - 4, start + 65_536)])
    except ImageError as error:
        if error.reason == TOO_MANY_PARTS:
            raise  # else the header is complete, and decoding reports the damage
    return ImageHeader("png", width, height, max(frames, 1), orientation)


def _parse_webp(data: bytes) -> ImageHeader:
    width = height = frames = 0
    orientation = 1
    for kind, start, end in riff_chunks(data):
        body = start + 8
        if kind == b"VP8X" and not width:
            width = 1 + int.from_bytes(_need(data, body + 4, 3), "little")
            height = 1 + int.from_bytes(_need(data, body + 7, 3), "little")
        elif kind == b"VP8 " and not width:
            if _need(data, body + 3, 3) != b"\x9d\x01\x2a":
                raise ImageError("malformed_header", "no VP8 start code")
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, body + 6))
        elif kind == b"VP8L" and not width:
            bits = int.from_bytes(_need(data, body + 1, 4), "little")
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        elif kind == b"ANMF":
            frames += 1
        elif kind == b"EXIF":
            orientation = _orientation(data[body:end].removeprefix(b"Exif\0\0")[:65_536])
    if not width:
        raise ImageError("truncated_header")
    return ImageHeader("webp", width, height, max(frames, 1), orientation)


def _need(data: bytes, start: int, length: int) -> bytes:
    found = data[start : start + length]
    if len(found) < length:
        raise ImageError("truncated_header")
    return found


def _parse_gif(data: bytes) -> ImageHeader:
    width, height = struct.unpack_from("<HH", data, 6)
    frames = 0
    try:
        for introducer, start, _ in gif_blocks(data):
            if introducer == 0x2C:
                frames += 1
                left, top, wide, high = struct.unpack_from("<HHHH", data, start + 1)
                width, height = max(width, left + wide), max(height, top + high)
            if frames > MAX_FRAMES:
                break
    except (IndexError, ImageError) as error:
        if isinstance(error, ImageError) and error.reason == TOO_MANY_PARTS:
            raise  # else the file is truncated, and decoding reports the damage
    return ImageHeader("gif", width, height, max(frames, 1))


def _parse_avif(data: bytes) -> ImageHeader:
    sizes, orientation = avif_facts(data)
    if not sizes:
        raise ImageError("truncated_header")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return ImageHeader("avif", width, height, 1, orientation)


_PARSERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], ImageHeader]], ...] = (
    (lambda data: data[:3] == b"\xff\xd8\xff", _parse_jpeg),
    (lambda data: data[:8] == PNG_SIGNATURE, _parse_png),
    (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", _parse_webp),
    (lambda data: data[:6] in (b"GIF87a", b"GIF89a"), _parse_gif),
    (is_avif, _parse_avif),
)
