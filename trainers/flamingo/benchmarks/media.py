"""Images, videos and folders of frames of benchmarks as pixels."""

import numpy as np

from corpusloom.schemas import storage
from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.flamingo.prompts.images import IMAGE_ENDINGS, chosen_frames, stack_frames
from corpusloom.trainers.flamingo.prompts.video_frames import VIDEO_ENDINGS, UnreadableVideoError, read_frames
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.image_ops import decode_near


def read_pixels(item: Item, transform: FlamingoTransform) -> np.ndarray:
    """Return an image, (1, 3, S, S) uint8, or `evaluation_frames` frames spread over a part of a video.

    A video is a file or a folder of its frames, in the order of their names. SampleError, for a sample that is skipped,
    names a file that is absent or cannot be decoded.
    """
    path = find_media(item)
    if is_image(path):
        frames = [decode_near(storage.read_bytes(path), transform.size)]
    else:
        frames = spread_frames(item, path, transform.config.evaluation_frames, transform.size)
    return stack_frames(frames, transform)


def find_media(item: Item) -> str:
    """Return the path of a record's image, video or folder of frames; SampleError if there is none."""
    for path in item.media:
        for ending in ("", *VIDEO_ENDINGS):
            if storage.exists(path + ending):
                return path + ending
    raise SampleError("missing_media", f"no file {' or '.join(item.media)}")


def is_image(path: str) -> bool:
    """Return whether a path is that of an image, not of a video or of a folder of frames."""
    return path.lower().endswith(IMAGE_ENDINGS) and not storage.is_folder(path)


def spread_frames(item: Item, path: str, wanted: int, size: int) -> list[np.ndarray]:
    """Return `wanted` frames, uint8 RGB (H, W, 3), spread over a record's part of a video or over a folder of frames.

    A folder's frames may be scaled down to sides of `size` pixels or more.
    """
    if storage.is_folder(path):
        return _frames_of_folder(path, wanted, size)
    try:
        return read_frames(path, wanted, item.start, item.end)
    except UnreadableVideoError as error:
        raise SampleError(error.reason, str(error)) from error


def _frames_of_folder(folder: str, wanted: int, size: int) -> list[np.ndarray]:
    chosen = chosen_frames(folder, wanted)
    if not chosen:
        raise SampleError("missing_media", f"no image in {folder}")
    decoded = {path: decode_near(storage.read_bytes(path), size) for path in set(chosen)}
    return [decoded[path] for path in chosen]
