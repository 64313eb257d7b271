"""Small videos whose frames encode their number in the colour, written by PyAV."""

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 64, 48
LEVELS = 8
"""Levels of a digit of a frame's number; two digits make 64 different frames."""


def colour_of(number: int) -> tuple[int, int, int]:
    """Return the colour of a frame: its number's two octal digits in red and green."""
    return 16 + 28 * (number % LEVELS), 16 + 28 * (number // LEVELS % LEVELS), 128


def number_of(pixels: np.ndarray) -> int:
    """Return the number of the frame that a picture shows, modulo 64, from its middle."""
    height, width = pixels.shape[:2]
    red, green, _ = pixels[height // 3 : -height // 3, width // 3 : -width // 3].reshape(-1, 3).mean(0)
    low, high = (round((float(value) - 16) / 28) for value in (red, green))
    return int(low + LEVELS * high)


def image_of(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Return the pixels of a frame."""
    return np.full((height, width, 3), colour_of(number), np.uint8)


def write_video(
    path: Path,
    times: Sequence[Fraction | float],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv444p",
    images: Iterable[np.ndarray] | None = None,
    audio: bool = False,
    options: dict[str, str] | None = None,
    title: str = "",
    format: str | None = None,
    gop: int = 12,
) -> Path:
    """Write a video whose frame n begins at `times[n]` seconds; the last one is shown for 1 / 25 s."""
    shown = list(images) if images is not None else [image_of(number) for number in range(len(times))]
    with av.open(str(path), "w", format=format) as container:
        if title:
            container.metadata["title"] = title
        stream = container.add_stream(codec, rate=25, options={"threads": "1", **(options or {})})
        stream.height, stream.width = shown[0].shape[:2]
        stream.pix_fmt, stream.gop_size = pix_fmt, gop
        unit = Fraction(1, 90_000)
        stream.codec_context.time_base = unit
        sound = container.add_stream("aac", rate=8000) if audio else None
        for pixels, time in zip(shown, times, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(Fraction(time) / unit), unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))
    return path


def write_header(path: Path) -> Path:
    """Write a file with a video stream of no frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=1)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        container.start_encoding()
    return path


def regular(seconds: float, fps: int = 4) -> list[Fraction]:
    """Return the times of frames at a constant rate."""
    return [Fraction(number, fps) for number in range(round(seconds * fps))]


ROTATIONS = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
"""Degrees clockwise -> (a, b, c, d) of the display matrix."""


def turn(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Set the display matrix in the track header of an MP4."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path
