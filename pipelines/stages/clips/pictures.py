"""Decoded frames -> JPEG: turned as the display matrix says, resized as images are."""

import struct
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from corpusloom.pipelines.store.images.resize import Resize, encode_pixels, resize_pixels

EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
"""Conversion to RGB without the rounding of processor-specific code, so that any machine gives the same pixels."""


def picture(frame: VideoFrame, config: Resize) -> tuple[bytes, int, int]:
    """Return a frame as it is displayed, encoded, with its width and height."""
    pixels = resize_pixels(turned(rgb(frame), display_matrix(frame)), config)
    return encode_pixels(np.ascontiguousarray(pixels), config), pixels.shape[1], pixels.shape[0]


def rgb(frame: VideoFrame) -> np.ndarray:
    """Return a frame of any pixel format as (H, W, 3) uint8."""
    return frame.reformat(format="rgb24", interpolation=EXACT, threads=1).to_ndarray()


def display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """Return (a, b, c, d) of the frame's display matrix: a pixel at (x, y) is shown at (ax + cy, bx + dy)."""
    found: Any = frame.side_data  # a mapping, which PyAV annotates as a dict of fixed keys
    data = found.get(Type.DISPLAYMATRIX)
    if data is None or data.buffer_size < 36:
        return 1, 0, 0, 1
    a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
    return a, b, c, d


def turned(pixels: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Return an image (H, W, 3) turned and mirrored by the nearest of the eight matrices of right angles."""
    a, b, c, d = matrix
    if abs(b) > abs(a):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
