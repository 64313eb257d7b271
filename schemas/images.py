"""What an image may be: its header read before anything decodes, caps, safe decoding, private metadata removed."""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image, ImageCms, ImageFile, ImageOps

MAX_PIXELS = 89_478_485
"""Pillow's own limit, which it only warns at: an image that declares more is refused."""
SCALED_DECODE = 2.0
"""A JPEG is decoded at a scale only from half size down: at 5/8 to 7/8 the scaling costs more than it saves."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_ORIENTATION = 0x0112

ImageFile.LOAD_TRUNCATED_IMAGES = False


class ImageError(Exception):
    """An image that is refused; carries the ledger's reason."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(f"{reason} {message}".strip())
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the first bytes say: format (jpeg, png, webp, gif), stored width and height in pixels, frames if known."""

    format: str
    width: int
    height: int
    frames: int = 1


def read_header(data: bytes) -> ImageHeader:
    """Return an image's header, parsed from its bytes alone; raise ImageError for what is no image we read."""
    try:
        if data[:2] == b"\xff\xd8":
            return _jpeg_header(data)
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            width, height = struct.unpack(">II", data[16:24])
            return _sized("png", width, height)
        if data[:6] in (b"GIF87a", b"GIF89a"):
            width, height = struct.unpack("<HH", data[6:10])
            return _sized("gif", width, height)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp_header(data)
    except (struct.error, IndexError) as error:
        raise ImageError("truncated_header") from error
    raise ImageError("not_an_image")


def _sized(name: str, width: int, height: int) -> ImageHeader:
    if width <= 0 or height <= 0:
        raise ImageError("bad_header")
    return ImageHeader(name, width, height)


def _jpeg_header(data: bytes) -> ImageHeader:
    place = 2
    while True:
        while data[place] == 0xFF and data[place + 1] == 0xFF:
            place += 1
        if data[place] != 0xFF:
            raise ImageError("bad_header")
        marker = data[place + 1]
        if marker == 0xD8 or 0xD0 <= marker <= 0xD7 or marker == 0x01:
            place += 2
            continue
        (length,) = struct.unpack(">H", data[place + 2 : place + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return _sized("jpeg", width, height)
        if marker in (0xD9, 0xDA) or length < 2:
            raise ImageError("bad_header")
        place += 2 + length


def _webp_header(data: bytes) -> ImageHeader:
    chunk = data[12:16]
    if chunk == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
    elif chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif chunk == b"VP8 ":
        width, height = (value & 0x3FFF for value in struct.unpack("<HH", data[26:30]))
    else:
        raise ImageError("bad_header")
    return _sized("webp", width, height)


def decode_rgb(data: bytes, *, max_pixels: int = MAX_PIXELS, min_side_at_least: int | None = None) -> np.ndarray:
    """Decode to RGB uint8 (H, W, 3): orientation applied, ICC to sRGB, alpha on white, first frame of several.

    `min_side_at_least` allows a JPEG to be decoded at a smaller scale whose shorter side is still that long.
    Raises ImageError: not_an_image, too_many_pixels, truncated, undecodable.
    """
    header = read_header(data)
    if header.width * header.height > max_pixels:
        raise ImageError("too_many_pixels")
    if header.format == "jpeg" and _is_plain_jpeg(data):
        return _decode_plain_jpeg(data, min_side_at_least)
    return _decode_pillow(data)


def _is_plain_jpeg(data: bytes) -> bool:
    """Say whether a JPEG needs nothing but decoding: three components, no Exif, no ICC profile."""
    head = data[:65_536]
    return b"Exif\0" not in head and b"ICC_PROFILE\0" not in head and b"Adobe\0" not in head


def _decode_plain_jpeg(data: bytes, min_side: int | None) -> np.ndarray:
    try:
        least = min_side or 0
        rgb: np.ndarray = simplejpeg.decode_jpeg(
            data, "RGB", min_height=least, min_width=least, min_factor=SCALED_DECODE, strict=True
        )
    except ValueError as error:
        text = str(error).lower()
        if "premature" in text or "truncat" in text:
            raise ImageError("truncated", str(error)) from error
        return _decode_pillow(data)
    return rgb


def _decode_pillow(data: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            image.seek(0)
            image.load()
            picture = ImageOps.exif_transpose(image)
            return np.asarray(_on_white(_to_srgb(picture)))
    except ImageError:
        raise
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        zlib.error,
        struct.error,
        Image.DecompressionBombError,
    ) as error:
        reason = "truncated" if "truncated" in str(error).lower() else "undecodable"
        raise ImageError(reason, str(error)) from error
    except Exception as error:  # Pillow's plugins raise whatever their parsers meet in hostile bytes
        raise ImageError("undecodable", f"{type(error).__name__}: {error}") from error


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert by the embedded ICC profile; a broken profile is passed over."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK", "L"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image
    return converted if converted is not None else image


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        wide = np.asarray(image, dtype=np.float64)
        return Image.fromarray((wide / 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def reencode_png(data: bytes) -> bytes:
    """Return an image as PNG: what a tar holds of formats that readers do not know (GIF)."""
    buffer = io.BytesIO()
    Image.fromarray(decode_rgb(data)).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def strip_metadata(data: bytes) -> bytes:
    """Remove what is not needed to show an image, without re-encoding: Exif but its orientation, XMP, IPTC, texts.

    The ICC profile stays. Bytes that do not parse come back as they are.
    """
    try:
        if data[:2] == b"\xff\xd8":
            return _strip_jpeg(data)
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            return _strip_png(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _strip_webp(data)
    except (struct.error, IndexError):
        return data
    return data


def _strip_jpeg(data: bytes) -> bytes:
    parts, place = [b"\xff\xd8"], 2
    while data[place] == 0xFF and data[place + 1] != 0xDA:
        marker = data[place + 1]
        (length,) = struct.unpack(">H", data[place + 2 : place + 4])
        segment = data[place : place + 2 + length]
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0":
            parts.append(_orientation_only(segment[10:]))
        elif not (marker in (0xE1, 0xED, 0xFE) or (0xE3 <= marker <= 0xEC) or marker == 0xEF):
            parts.append(segment)
        place += 2 + length
    return b"".join(parts) + data[place:]


def _orientation_only(tiff: bytes) -> bytes:
    """Return an Exif segment that holds the orientation alone; nothing when it is the usual one."""
    exif = Image.Exif()
    try:
        exif.load(b"Exif\0\0" + tiff)
        orientation = int(exif.get(_ORIENTATION, 1))
    except Exception:  # a broken Exif has no orientation
        orientation = 1
    if orientation not in range(2, 9):
        return b""
    body = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", _ORIENTATION, 3, 1, orientation, 0) + b"\0\0\0\0"
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def _strip_png(data: bytes) -> bytes:
    parts, place = [data[:8]], 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        if data[place + 4 : place + 8] not in (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME"):
            parts.append(data[place : place + 12 + length])
        place += 12 + length
    return b"".join(parts)


def _strip_webp(data: bytes) -> bytes:
    parts, place = [], 12
    while place < len(data):
        (length,) = struct.unpack("<I", data[place + 4 : place + 8])
        chunk = data[place : place + 8 + length + length % 2]
        if chunk[:4] == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~0x0C]) + chunk[9:]
        if chunk[:4] not in (b"EXIF", b"XMP "):
            parts.append(chunk)
        place += 8 + length + length % 2
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def opt_out_of_metadata(data: bytes) -> str | None:
    """Return the name of an opt-out inside an image's metadata: IPTC/PLUS data mining fields, C2PA assertions."""
    if b"DMI-PROHIBITED" in data:
        return "iptc_data_mining"
    for name in (b"cawg.training-mining", b"c2pa.training-mining"):
        place = data.find(name)
        while place >= 0:
            if b"notAllowed" in data[place : place + 4_096] or b"constrained" in data[place : place + 4_096]:
                return "c2pa_training_mining"
            place = data.find(name, place + 1)
    return None
