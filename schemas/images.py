"""What an image may be: header facts and caps before anything is decoded, safe decoding, private metadata out.

Headers are parsed here, in bounded time and without a decoder, so a picture's size is known and refused before
memory is spent on it. Decoders see only the formats of the allow-list.
"""

import contextlib
import io
import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import Image, ImageCms

MAX_PIXELS = 89_478_485
"""Of one picture: Pillow's own warning level, about 256 MB as RGB."""
MAX_FRAMES = 10_000
MAX_JPEG_SCANS = 200
"""A progressive JPEG may repeat full-size scans for ever; real encoders write about ten."""
MAX_METADATA = 1 << 22
"""Inflated bytes of one compressed text chunk that a search for opt-outs looks at."""

_PILLOW = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "avif": "AVIF"}
EXTENSION = {"jpeg": "jpg", "png": "png", "webp": "webp", "gif": "gif", "avif": "avif"}
"""Format -> the extension of a member that holds it."""


class ImageError(ValueError):
    """Bytes are not an image that may be read; `reason` is a stable snake_case word."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        super().__init__(f"{reason}: {detail}" if detail else reason)

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.reason,)


class ImageHeader(NamedTuple):
    """What a header says: jpeg, png, webp, gif or avif; pixels as stored; EXIF orientation 1..8."""

    format: str
    width: int
    height: int
    frames: int = 1
    orientation: int = 1

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height as shown, after the orientation."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_header(data: bytes, *, max_pixels: int | None = None) -> ImageHeader:
    """Return format, size, frames and orientation from the header alone.

    ImageError: not_an_image, truncated_header, malformed_header, no_pixels, too_many_pixels, too_many_frames,
    too_many_scans.
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


# --- JPEG -------------------------------------------------------------------------------------------------------

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_ENTROPY_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of the segments up to the first scan; start is that of the marker itself."""
    at, size = 2, len(data)
    while at + 4 <= size:
        if data[at] != 0xFF:
            raise ImageError("malformed_header", f"no marker at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _STANDALONE:
            at += 2
            continue
        length = data[at + 2] << 8 | data[at + 3]
        if length < 2:
            raise ImageError("malformed_header", f"a segment of length {length}")
        yield marker, at, at + 2 + length
        if marker in (0xDA, 0xD9):
            return
        at += 2 + length
    raise ImageError("truncated_header")


def _parse_jpeg(data: bytes) -> ImageHeader:
    orientation = 1
    for marker, start, end in _jpeg_segments(data):
        if marker == 0xE1 and data[start + 4 : start + 10] == b"Exif\0\0":
            orientation = _orientation(data[start + 10 : min(end, start + 10 + 65_536)])
        elif marker in _SOF:
            height, width = struct.unpack_from(">HH", data, start + 5)
            if marker != 0xC0 and data.count(b"\xff\xda") > MAX_JPEG_SCANS:
                raise ImageError("too_many_scans")
            return ImageHeader("jpeg", width, height, 1, orientation)
        elif marker in (0xDA, 0xD9):
            break
    raise ImageError("malformed_header", "no frame before the first scan")


def _orientation(tiff: bytes) -> int:
    """Return tag 0x0112 of the first directory of an EXIF block; 1 when it is absent or broken."""
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


# --- PNG --------------------------------------------------------------------------------------------------------

_PNG = b"\x89PNG\r\n\x1a\n"


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, start, end) of the chunks, length and checksum included."""
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        yield kind, at, at + 12 + length
        if kind == b"IEND":
            return
        at += 12 + length
    raise ImageError("truncated")


def _parse_png(data: bytes) -> ImageHeader:
    if len(data) < 33:
        raise ImageError("truncated_header")
    if data[12:16] != b"IHDR":
        raise ImageError("malformed_header", "IHDR is not first")
    width, height = struct.unpack_from(">II", data, 16)
    frames, orientation = 1, 1
    try:
        for kind, start, end in _png_chunks(data):
            if kind == b"acTL":
                (frames,) = struct.unpack_from(">I", data, start + 8)
            elif kind == b"eXIf":
                orientation = _orientation(data[start + 8 : min(end - 4, start + 65_536)])
    except ImageError:
        pass  # the header is whole; decoding says the rest
    return ImageHeader("png", width, height, max(frames, 1), orientation)


# --- WebP -------------------------------------------------------------------------------------------------------


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, start, end) of the chunks inside the RIFF size, header and padding included."""
    at, size = 12, min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    while at + 8 <= size:
        (length,) = struct.unpack_from("<I", data, at + 4)
        yield data[at : at + 4], at, at + 8 + length + (length & 1)
        at += 8 + length + (length & 1)


def _parse_webp(data: bytes) -> ImageHeader:
    width = height = frames = 0
    orientation = 1
    for kind, start, end in _riff_chunks(data):
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


# --- GIF --------------------------------------------------------------------------------------------------------


def _gif_blocks(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (introducer, start, end) of images (0x2C), extensions (0x21) and the trailer (0x3B)."""
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while True:
        start, introducer = at, data[at]
        if introducer == 0x3B:
            yield introducer, start, at + 1
            return
        if introducer == 0x2C:
            flags = data[at + 9]
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        elif introducer == 0x21:
            at += 2
        else:
            raise ImageError("malformed_header", f"GIF block {introducer:#x}")
        while data[at]:
            at += 1 + data[at]
        at += 1
        yield introducer, start, at


def _parse_gif(data: bytes) -> ImageHeader:
    width, height = struct.unpack_from("<HH", data, 6)
    frames = 0
    try:
        for introducer, start, _ in _gif_blocks(data):
            if introducer == 0x2C:
                frames += 1
                left, top, wide, high = struct.unpack_from("<HHHH", data, start + 1)
                width, height = max(width, left + wide), max(height, top + high)
            if frames > MAX_FRAMES:
                break
    except (IndexError, ImageError):
        pass  # cut short: decoding says the rest
    return ImageHeader("gif", width, height, max(frames, 1))


# --- AVIF -------------------------------------------------------------------------------------------------------


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, body start, end) of ISO base media boxes in a range."""
    at = start
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        elif size == 0:
            size = end - at
        if size < body - at:
            raise ImageError("malformed_header", f"a box of {size} bytes")
        yield kind, body, min(at + size, end)
        at += size


def _parse_avif(data: bytes) -> ImageHeader:
    sizes: list[tuple[int, int]] = []
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"meta":
            for inner, at, stop in _boxes(data, start + 4, end):
                if inner == b"iprp":
                    sizes += _image_extents(data, at, stop)
    if not sizes:
        raise ImageError("truncated_header")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return ImageHeader("avif", width, height)


def _image_extents(data: bytes, start: int, end: int) -> list[tuple[int, int]]:
    return [
        struct.unpack_from(">II", data, body + 4)
        for kind, at, stop in _boxes(data, start, end)
        if kind == b"ipco"
        for inner, body, _ in _boxes(data, at, stop)
        if inner == b"ispe"
    ]


_PARSERS = (
    (lambda data: data[:3] == b"\xff\xd8\xff", _parse_jpeg),
    (lambda data: data[:8] == _PNG, _parse_png),
    (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", _parse_webp),
    (lambda data: data[:6] in (b"GIF87a", b"GIF89a"), _parse_gif),
    (lambda data: data[4:12] in (b"ftypavif", b"ftypavis"), _parse_avif),
)


# --- Decoding ---------------------------------------------------------------------------------------------------


def decode_rgb(data: bytes, *, max_pixels: int = MAX_PIXELS, min_side_at_least: int | None = None) -> np.ndarray:
    """Return the picture as shown: uint8 RGB (H, W, 3), contiguous.

    EXIF orientation applied, an embedded ICC profile converted to sRGB, CMYK, palettes and 16 bits reduced, alpha
    laid on white, the first frame of an animation. With `min_side_at_least` a JPEG may come back scaled down by 2,
    4 or 8, its shorter side no smaller than that. ImageError: as `read_header`, and truncated, undecodable.
    """
    header = read_header(data, max_pixels=max_pixels)
    if header.format == "jpeg":
        pixels = _decode_jpeg(data, min_side_at_least)
        if pixels is not None:
            return _turn(pixels, header.orientation)
    return _turn(_decode_pillow(data, header, min_side_at_least), header.orientation)


def _decode_jpeg(data: bytes, min_side: int | None) -> np.ndarray | None:
    """Decode by libjpeg-turbo; None where Pillow must judge (CMYK, foreign profiles, anything odd)."""
    if b"ICC_PROFILE\0" in data[:65_536] and not _is_srgb(data[:65_536]):
        return None
    try:
        if simplejpeg.decode_jpeg_header(data)[2] not in ("YCbCr", "RGB", "Gray"):
            return None
        side = min_side or 0
        return simplejpeg.decode_jpeg(data, "RGB", min_height=side, min_width=side, min_factor=2 if side else 1)
    except ValueError:
        return None


def _is_srgb(data: bytes) -> bool:
    """Say whether an embedded profile names itself sRGB, which most do: then there is nothing to convert."""
    return b"sRGB" in data or b"s\0R\0G\0B" in data


def _decode_pillow(data: bytes, header: ImageHeader, min_side: int | None) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=(_PILLOW[header.format],)) as image:
            if image.width * image.height > 2 * MAX_PIXELS:
                raise ImageError("too_many_pixels", f"{image.width} x {image.height}")
            if header.format == "jpeg" and min_side:
                _draft(image, min_side)
            image.load()
            return _to_rgb(image)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError("too_many_pixels") from error
    except MemoryError as error:
        raise ImageError("out_of_memory") from error
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged bytes
        message = str(error).lower()
        cut = isinstance(error, EOFError) or "truncated" in message or "incomplete" in message
        raise ImageError("truncated" if cut else "undecodable", str(error)[:200]) from error


def _draft(image: Image.Image, min_side: int) -> None:
    scale = min(image.width, image.height) / min_side
    if scale >= 2:
        image.draft(None, (max(1, int(image.width / scale)), max(1, int(image.height / scale))))


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        grey = np.clip(values >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode == "P" or (image.mode in ("RGB", "L", "1") and "transparency" in image.info):
        image = image.convert(
            "RGBA" if "transparency" in image.info or (image.palette and image.palette.mode == "RGBA") else "RGB"
        )
    image = _to_srgb(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert by the embedded profile; one that is broken or for another colour space is ignored."""
    profile = image.info.get("icc_profile")
    if not profile or (_is_srgb(profile) and image.mode != "CMYK"):
        return image
    target = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=target)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return converted if converted is not None else image


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def reencode_png(data: bytes) -> bytes:
    """Return an image as PNG: what a tar holds of formats that readers do not know (GIF, AVIF)."""
    sink = io.BytesIO()
    Image.fromarray(decode_rgb(data)).save(sink, "PNG", compress_level=6)
    return sink.getvalue()


# --- Private metadata -------------------------------------------------------------------------------------------

_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT bKGD pHYs acTL fcTL fdAT".split(b" ")
)
_WEBP_DROPPED = frozenset((b"EXIF", b"XMP "))
_ICC = b"ICC_PROFILE\0"


def strip_metadata(data: bytes) -> bytes:
    """Remove what is not needed to show an image, without re-encoding: EXIF, XMP, IPTC, C2PA, comments, texts.

    Kept: the orientation (as an EXIF block of that alone), the ICC profile, Adobe's colour transform. What follows
    the end of a JPEG (a second picture, a video) goes too. Bytes that do not parse come back as they are.
    """
    try:
        header = read_header(data)
        strip = {"jpeg": _strip_jpeg, "png": _strip_png, "webp": _strip_webp}.get(header.format)
        return data if strip is None else strip(data, header.orientation)
    except (ImageError, IndexError, struct.error):
        return data


def _exif_of(orientation: int) -> bytes:
    """Return a TIFF block that holds the orientation alone."""
    return b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


def _strip_jpeg(data: bytes, orientation: int) -> bytes:
    parts = [data[:2]]
    exif = b"Exif\0\0" + _exif_of(orientation)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif if orientation != 1 else b""
    for marker, start, end in _jpeg_segments(data):
        if marker == 0xDA:
            return b"".join((*parts, segment, data[start : _end_of_jpeg(data, start)]))
        kept = not (0xE0 <= marker <= 0xEF or marker == 0xFE)
        kept |= marker == 0xE0 and data[start + 4 : start + 9] == b"JFIF\0"
        kept |= marker == 0xE2 and data[start + 4 : start + 16] == _ICC
        kept |= marker == 0xEE and data[start + 4 : start + 9] == b"Adobe"
        if kept:
            parts.append(data[start:end])
        if segment and (marker == 0xE0 or kept):
            parts.append(segment)
            segment = b""
    return data


def _end_of_jpeg(data: bytes, at: int) -> int:
    """Return where the picture ends: after EOI, or at the end of bytes that were cut short."""
    while at + 4 <= len(data):
        marker = data[at + 1]
        if marker == 0xD9:
            return at + 2
        found = _ENTROPY_END.search(data, at + 2 + (data[at + 2] << 8 | data[at + 3]))
        if found is None:
            return len(data)
        at = found.start()
    return len(data) if data[at + 1 : at + 2] != b"\xd9" else at + 2


def _strip_png(data: bytes, orientation: int) -> bytes:
    parts = [_PNG]
    for kind, start, end in _png_chunks(data):
        if kind == b"IDAT" and orientation != 1:
            body = b"eXIf" + _exif_of(orientation)
            parts.append(struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)))
            orientation = 1
        if kind in _PNG_KEPT:
            parts.append(data[start:end])
    return b"".join(parts)


def _strip_webp(data: bytes, orientation: int) -> bytes:
    chunks = [data[start:end] for kind, start, end in _riff_chunks(data) if kind not in _WEBP_DROPPED]
    flags = 0x08 if orientation != 1 else 0
    for at, chunk in enumerate(chunks):
        if chunk[:4] == b"VP8X":
            chunks[at] = chunk[:8] + bytes([chunk[8] & ~0x0C | flags]) + chunk[9:]
    if flags:
        body = _exif_of(orientation)
        chunks.append(b"EXIF" + struct.pack("<I", len(body)) + body)
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


# --- Opt-outs ---------------------------------------------------------------------------------------------------

_MINING = (b"cawg.training-mining", b"c2pa.training-mining")


def opt_out_of_metadata(data: bytes) -> str | None:
    """Return the name of an opt-out inside an image's metadata; None when there is none.

    iptc_data_mining: a PLUS DataMining value that prohibits (IPTC 2023.1). c2pa_training_mining: an assertion with a
    use that is notAllowed or constrained. A scan of bytes, and of what a
    PNG's compressed text inflates to.
    """
    for text in (data, *_inflated_texts(data)):
        if b"DMI-PROHIBITED" in text:
            return "iptc_data_mining"
        for name in _MINING:
            place = text.find(name)
            while place >= 0:
                near = text[place : place + 4_096]
                if b"notAllowed" in near or b"constrained" in near:
                    return "c2pa_training_mining"
                place = text.find(name, place + 1)
    return None


def _inflated_texts(data: bytes) -> Iterator[bytes]:
    """Yield a PNG's compressed texts, each cut at MAX_METADATA bytes."""
    if data[:8] != _PNG:
        return
    with contextlib.suppress(ImageError, struct.error):
        for kind, start, end in _png_chunks(data):
            if kind in (b"zTXt", b"iTXt"):
                _, _, rest = data[start + 8 : end - 4].partition(b"\0")
                if kind == b"zTXt":
                    yield from _inflate(rest[1:])
                elif rest[:1] == b"\1":
                    yield from _inflate(rest[2:].partition(b"\0")[2].partition(b"\0")[2])


def _inflate(data: bytes) -> Iterator[bytes]:
    try:
        yield zlib.decompressobj().decompress(data, MAX_METADATA)
    except zlib.error:
        return
