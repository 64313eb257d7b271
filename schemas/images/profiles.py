"""Converts pixels to sRGB by an ICC profile. What a profile does decides, not its name."""

import contextlib
import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from corpusloom.schemas.images.containers import ICC, jpeg_segments
from corpusloom.schemas.images.errors import ImageError

MAX_PROFILE = 1 << 22
"""Bytes of a profile, at most; a larger one is ignored."""
_SAME = 2
"""Largest difference, of 255, between colours that count as the same."""
_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError)


def jpeg_profile(data: bytes) -> bytes:
    """Return the ICC profile of a JPEG, joined from its segments; empty if it has none."""
    parts: dict[int, bytes] = {}
    with contextlib.suppress(ImageError):  # a file that is cut off; decoding reports the damage
        for marker, start, end in jpeg_segments(data):
            if marker == 0xE2 and data[start + 4 : start + 16] == ICC and start + 16 < end <= len(data):
                parts[data[start + 16]] = data[start + 18 : end]
    return b"".join(parts[number] for number in sorted(parts))


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert an image to sRGB; one with a profile that is broken or of another colour space is returned as it is."""
    if not changes_colours(profile):
        return image
    return _convert(image, profile, "RGBA" if image.mode == "RGBA" else "RGB") or image


@lru_cache(maxsize=16)
def changes_colours(profile: bytes) -> bool:
    """Return whether colours under a profile are others than in sRGB; False for a profile that cannot be used."""
    mode = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}.get(profile[16:20])
    if mode is None or len(profile) > MAX_PROFILE:
        return False
    if mode == "CMYK":
        return True
    levels = np.arange(0, 256, 17, dtype=np.uint8)
    pixels = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(64, 64, 3)
    probe = Image.fromarray(pixels if mode == "RGB" else pixels[:, :, 0])
    found = _convert(probe, profile, "RGB")
    if found is None:
        return False
    difference = np.asarray(found, dtype=int) - np.asarray(probe.convert("RGB"), dtype=int)
    return int(np.abs(difference).max()) > _SAME


def _convert(image: Image.Image, profile: bytes, mode: str) -> Image.Image | None:
    """Return an image converted to sRGB, or None if the profile cannot be used."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except _ERRORS:
        return None
