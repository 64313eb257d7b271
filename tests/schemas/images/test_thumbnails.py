"""Thumbnails keep the proportions of an image, and none is made of what is no image."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from corpusloom.schemas.images.thumbnails import thumbnail


def encoded(width: int, height: int, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
@pytest.mark.parametrize(("shape", "small"), [((640, 320), (100, 50)), ((40, 900), (4, 100)), ((30, 20), (30, 20))])
def test_a_thumbnail_is_a_small_jpeg_of_the_same_proportions(
    kind: str, shape: tuple[int, int], small: tuple[int, int]
) -> None:
    uri = thumbnail(encoded(*shape, kind), 100)
    assert uri is not None
    assert uri.startswith("data:image/jpeg;base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert (picture.format, picture.size) == ("JPEG", small)
    red, green, blue = np.asarray(picture.convert("RGB"))[1, 1].tolist()
    assert red > 180 > 50 > max(green, blue)


def test_what_is_no_image_has_no_thumbnail() -> None:
    assert thumbnail(b"no image") is None
