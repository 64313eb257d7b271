"""Images, videos and folders of frames as pixels. Videos are decoded by OpenCV, from local files."""

import math

import cv2
import numpy as np

from corpusloom.schemas import storage
from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.flamingo.data import FlamingoTransform, choose_frames
from corpusloom.trainers.flamingo.prompts.images import IMAGE_ENDINGS, chosen_frames
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.image_ops import decode_near, pad_to_square

VIDEO_ENDINGS = ("", ".mp4", ".avi", ".mkv", ".webm")


def read_pixels(item: Item, transform: FlamingoTransform) -> np.ndarray:
    """Return an image, (1, 3, S, S) uint8, or `evaluation_frames` frames spread over a part of a video.

    A video is a file or a folder of its frames, in the order of their names. SampleError, for a sample that is skipped,
    names a file that is absent or cannot be decoded.
    """
    path = find_media(item)
    if is_image(path):
        frames = [decode_near(storage.read_bytes(path), transform.size)]
    else:
        frames = read_frames(item, path, transform.config.evaluation_frames, transform.size)
    squares = {id(frame): pad_to_square(frame, transform.size, transform.config.fill) for frame in frames}
    return np.stack([squares[id(frame)] for frame in frames]).transpose(0, 3, 1, 2)


def find_media(item: Item) -> str:
    """Return the path of a record's image, video or folder of frames; SampleError if there is none."""
    for path in item.media:
        for ending in VIDEO_ENDINGS:
            if storage.exists(path + ending):
                return path + ending
    raise SampleError("missing_media", f"no file {' or '.join(item.media)}")


def is_image(path: str) -> bool:
    """Return whether a path is that of an image, not of a video or of a folder of frames."""
    return path.lower().endswith(IMAGE_ENDINGS) and not storage.is_folder(path)


def read_frames(item: Item, path: str, wanted: int, size: int) -> list[np.ndarray]:
    """Return `wanted` frames, uint8 RGB (H, W, 3), spread over a record's part of a video or over a folder of frames.

    A folder's frames may be scaled down to sides of `size` pixels or more.
    """
    if storage.is_folder(path):
        return _frames_of_folder(path, wanted, size)
    return _frames_of_video(path, item.start, item.end, wanted)


def _frames_of_folder(folder: str, wanted: int, size: int) -> list[np.ndarray]:
    chosen = chosen_frames(folder, wanted)
    if not chosen:
        raise SampleError("missing_media", f"no image in {folder}")
    decoded = {path: decode_near(storage.read_bytes(path), size) for path in set(chosen)}
    return [decoded[path] for path in chosen]


def _frames_of_video(path: str, start: float | None, end: float | None, wanted: int) -> list[np.ndarray]:
    """Return frames of the seconds from `start` to `end` of a local video, as RGB."""
    if not storage.is_local(path):
        raise SampleError("remote_video", f"{path}: copy it to a local folder, or store it as a folder of frames")
    video = cv2.VideoCapture(path)
    try:
        rate, count = video.get(cv2.CAP_PROP_FPS), int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        first = min(max(0, round((start or 0) * rate)), max(0, count - 1))
        last = count if end is None else min(count, max(first + 1, math.ceil(end * rate)))
        if last <= first:
            raise SampleError("unreadable_video", path)
        chosen = (first + choose_frames(last - first, wanted, None)).tolist()
        decoded = _decode(video, set(chosen))
    finally:
        video.release()
    if not decoded:
        raise SampleError("unreadable_video", path)
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
