"""Frames of video files, decoded by OpenCV."""

import math
import os

import cv2
import numpy as np

from corpusloom.schemas import storage
from corpusloom.trainers.flamingo.data import choose_frames

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg prints nothing: what is wrong is in the error
VIDEO_ENDINGS = (".mp4", ".avi", ".mkv", ".webm")


class UnreadableVideoError(Exception):
    """A video that cannot be decoded, or whose file is not on a local disk."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason = reason
        """Key of the reason: remote_video or unreadable_video."""


def read_frames(path: str, wanted: int, start: float | None = None, end: float | None = None) -> list[np.ndarray]:
    """Return `wanted` frames spread over the seconds from `start` to `end` of a local video, RGB (H, W, 3) uint8."""
    if not storage.is_local(path):
        what = f"{path}: copy it to a local folder, or store it as a folder of frames"
        raise UnreadableVideoError("remote_video", what)
    video = cv2.VideoCapture(path)
    try:
        rate, count = video.get(cv2.CAP_PROP_FPS), int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        first = min(max(0, round((start or 0) * rate)), max(0, count - 1))
        last = count if end is None else min(count, max(first + 1, math.ceil(end * rate)))
        if last <= first:
            raise UnreadableVideoError("unreadable_video", path)
        chosen = (first + choose_frames(last - first, wanted, None)).tolist()
        decoded = _decode(video, set(chosen))
    finally:
        video.release()
    if not decoded:
        raise UnreadableVideoError("unreadable_video", path)
    known = sorted(decoded)
    return [decoded[number if number in decoded else known[-1]] for number in chosen]


def _decode(video: cv2.VideoCapture, chosen: set[int]) -> dict[int, np.ndarray]:
    """Return the chosen frames that can be decoded; the others are read past, since seeking is inexact."""
    decoded = {}
    for number in range(max(chosen) + 1):
        if not video.grab():
            break
        if number in chosen:
            found, frame = video.retrieve()
            if found:
                decoded[number] = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    return decoded
