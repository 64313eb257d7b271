"""Resizing: img2dataset's pixels in every mode (recorded; `make interop` runs img2dataset itself), sizes, formats."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from corpusloom.pipelines.store.images.resize import Format, Mode, Resize, resize, resize_pixels
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.headers import read_header

PARITY = Path(__file__).parent / "parity_img2dataset.json"
SHAPES = ((300, 200), (199, 301), (64, 64), (37, 101), (100, 100), (511, 400))
MODES: tuple[Mode, ...] = ("no", "keep_ratio", "keep_ratio_largest", "center_crop", "border")
CASES = [(shape, mode, 100, only) for shape in SHAPES for mode in MODES for only in (False, True)]


def make_image(height: int, width: int) -> np.ndarray:
    """Return a picture of soft slopes and hard edges."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 // width, y * 255 // height, (x // 7 + y // 5) % 2 * 200 + (x * y) % 50]
    return np.stack(planes, axis=2).astype(np.uint8)


def png_of(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def digest_of(pixels: np.ndarray) -> str:
    return hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("place", range(len(CASES)), ids=lambda place: "-".join(map(str, CASES[place])))
def test_pixels_are_those_of_img2dataset(place: int) -> None:
    shape, mode, size, only = CASES[place]
    ours = resize_pixels(make_image(*shape), Resize(mode=mode, size=size, only_if_bigger=only))
    assert digest_of(ours) == json.loads(PARITY.read_text())[place]


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 60), st.sampled_from(MODES))
def test_each_mode_gives_its_size(height: int, width: int, size: int, mode: Mode) -> None:
    shape = resize_pixels(make_image(height, width), Resize(mode=mode, size=size)).shape[:2]
    if mode == "no":
        assert shape == (height, width)
    elif mode in ("center_crop", "border"):
        assert shape == (size, size)
    else:
        assert (min(shape) if mode == "keep_ratio" else max(shape)) == size


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_each_format_is_written(kind: Format) -> None:
    data, width, height = resize(png_of(make_image(60, 90)), Resize(mode="keep_ratio", size=30, format=kind))
    header = read_header(data)
    assert (
        (header.format, header.width, header.height)
        == (kind.replace("jpg", "jpeg"), width, height)
        == (
            kind.replace("jpg", "jpeg"),
            45,
            30,
        )
    )
    expected = resize_pixels(make_image(60, 90), Resize(mode="keep_ratio", size=30))
    assert np.abs(decode_rgb(data).astype(int) - expected).mean() < (1 if kind == "png" else 40)


def test_a_size_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError):
        Resize(size=0)
