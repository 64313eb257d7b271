"""Small JPEGs of images as data: URIs, for pages that need no other file."""

import base64
import io

from PIL import Image

from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.errors import ImageError


def thumbnail(data: bytes, side: int = 160) -> str | None:
    """Return an image as a JPEG of at most `side` pixels per side; None for an image that does not decode."""
    try:
        pixels = decode_rgb(data, min_side_at_least=side)
    except ImageError:
        return None
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
