"""Decodes images of the allow-listed formats to sRGB pixels, within a pixel limit."""

import io

import numpy as np
import simplejpeg
from PIL import Image

from corpusloom.schemas.images.ends import END_OF_JPEG, is_complete
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.headers import ImageHeader, read_header
from corpusloom.schemas.images.png_pixels import clear_pixels, pixel_chunks
from corpusloom.schemas.images.profiles import changes_colours, jpeg_profile, to_srgb

MAX_PIXELS = 89_478_485
"""Pixels of one image: Pillow's own warning level, about 256 MB as RGB."""
_PILLOW_FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "avif": "AVIF"}


def decode_rgb(data: bytes, *, max_pixels: int = MAX_PIXELS, min_side_at_least: int | None = None) -> np.ndarray:
    """Return an image as displayed: uint8 RGB (H, W, 3), contiguous.

    The orientation is applied (EXIF; irot and imir of AVIF), an embedded ICC profile is converted to sRGB, CMYK,
    palettes and 16 bits are reduced to 8-bit RGB, alpha is composited on white; of an animation the first frame is
    returned. With `min_side_at_least` a JPEG may be scaled down by 2, 4 or 8, as long as its shorter side is at least
    that many pixels. Raises ImageError with the reasons of `read_header`, and truncated, undecodable and
    out_of_memory.
    """
    header = read_header(data, max_pixels=max_pixels)
    pixels = _decode_jpeg(data, header, min_side_at_least) if header.format == "jpeg" else None
    if pixels is None:
        pixels = _decode_pillow(data, header, min_side_at_least)
    return _apply_orientation(pixels, header.orientation)


def _decode_jpeg(data: bytes, header: ImageHeader, min_side: int | None) -> np.ndarray | None:
    """Decode with libjpeg-turbo; return None if Pillow must decode: CMYK, profile other than sRGB, damage."""
    if header.profile and changes_colours(jpeg_profile(data)):
        return None
    try:
        if simplejpeg.decode_jpeg_header(data)[2] not in ("YCbCr", "RGB", "Gray"):
            return None
        side = min_side or 0
        return simplejpeg.decode_jpeg(data, "RGB", min_height=side, min_width=side, min_factor=2 if side else 1)
    except ValueError:
        return None


def _with_end(data: bytes) -> bytes:
    """Return a JPEG that lacks nothing but its end-of-image marker with that marker, any other unchanged."""
    if is_complete(data):
        return data
    for whole in (data, data.rstrip(b"\0")):  # zeros may pad the file, or the last one may belong to the scan (FF 00)
        ended = whole + END_OF_JPEG
        try:
            kind = "CMYK" if simplejpeg.decode_jpeg_header(ended)[2] in ("CMYK", "YCCK") else "RGB"
            simplejpeg.decode_jpeg(ended, kind)  # an error if more than the marker is missing
        except ValueError:
            continue
        return ended
    return data


def _decode_pillow(data: bytes, header: ImageHeader, min_side: int | None) -> np.ndarray:
    profile: bytes | None = None
    if header.format == "jpeg":
        data = _with_end(data)
    elif header.format == "png":
        data, profile = pixel_chunks(data)
    try:
        with Image.open(io.BytesIO(data), formats=(_PILLOW_FORMATS[header.format],)) as image:
            if image.width * image.height > 2 * MAX_PIXELS:
                raise ImageError("too_many_pixels", f"{image.width} x {image.height}")
            if header.format == "jpeg" and min_side:
                _draft(image, min_side)
            image.load()
            clear = clear_pixels(data, image) if header.format == "png" else None
            pixels = _to_rgb(image, image.info.get("icc_profile") or b"" if profile is None else profile)
            return pixels if clear is None else np.where(clear[:, :, None], np.uint8(255), pixels)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError("too_many_pixels") from error
    except MemoryError as error:
        raise ImageError("out_of_memory") from error
    except Exception as error:  # Pillow's plugins raise exceptions of many classes on damaged bytes
        message = str(error).lower()
        cut = isinstance(error, EOFError) or "truncated" in message or "incomplete" in message
        raise ImageError("truncated" if cut else "undecodable", str(error)[:200]) from error


def _draft(image: Image.Image, min_side: int) -> None:
    scale = min(image.width, image.height) / min_side
    if scale >= 2:
        image.draft(None, (max(1, int(image.width / scale)), max(1, int(image.height / scale))))


def _to_rgb(image: Image.Image, profile: bytes) -> np.ndarray:
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        grey = np.clip(values >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode == "P" or (image.mode in ("RGB", "L", "1") and "transparency" in image.info):
        image = image.convert(
            "RGBA" if "transparency" in image.info or (image.palette and image.palette.mode == "RGBA") else "RGB"
        )
    image = to_srgb(image, profile) if profile else image
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


def _apply_orientation(pixels: np.ndarray, orientation: int) -> np.ndarray:
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
    """Return an image as PNG, which tars hold instead of formats that few readers decode (GIF, AVIF)."""
    sink = io.BytesIO()
    Image.fromarray(decode_rgb(data)).save(sink, "PNG", compress_level=6)
    return sink.getvalue()
