"""An image is complete if its container reaches its end."""

import struct

import pytest
from PIL import ImageOps

from corpusloom.schemas.images.ends import is_complete
from tests.schemas.images.pictures import FORMATS, encode, exif, picture

WHOLE = {format: encode(picture(64, 48), format) for format in FORMATS}
WHOLE["progressive"] = encode(picture(64, 48), "JPEG", progressive=True, exif=exif(6))
FRAMES = [picture(20, 10), ImageOps.invert(picture(20, 10))]
WHOLE["animation"] = encode(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:])
WHOLE["long box"] = WHOLE["AVIF"] + struct.pack(">I4sQ", 1, b"free", 20) + b"1234"
WHOLE["open box"] = WHOLE["AVIF"] + struct.pack(">I4s", 0, b"free") + b"1234"


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_image_is_complete(name: str) -> None:
    assert is_complete(WHOLE[name])


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "open box"])
@pytest.mark.parametrize("cut", [1, 2, 9, 0.5, 0.9])
def test_a_cut_image_is_not(name: str, cut: float) -> None:
    data = WHOLE[name]
    assert not is_complete(data[: -int(cut if cut >= 1 else cut * len(data))])


@pytest.mark.parametrize("data", [b"", b"<html>", b"RIFF", b"GIF89a", b"\xff\xd8", bytes(20)])
def test_bytes_without_a_container_are_not(data: bytes) -> None:
    assert not is_complete(data)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF"])
def test_bytes_after_the_end_do_not_count(name: str) -> None:
    assert is_complete(WHOLE[name] + b"more")
