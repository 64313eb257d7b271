"""Images, videos and folders of frames of benchmarks as pixels."""

from collections.abc import Sequence

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
    path = _first_that_exists(item.media)
    wanted = transform.config.evaluation_frames
    if storage.is_folder(path):
        frames = _frames_of_folder(path, wanted, transform.size)
    elif path.lower().endswith(IMAGE_ENDINGS):
        frames = [decode_near(storage.read_bytes(path), transform.size)]
    else:
        try:
            frames = read_frames(path, wanted, item.start, item.end)
        except UnreadableVideoError as error:
            raise SampleError(error.reason, str(error)) from error
    return stack_frames(frames, transform)


def _first_that_exists(paths: Sequence[str]) -> str:
    for path in paths:
        for ending in ("", *VIDEO_ENDINGS):
            if storage.exists(path + ending):
                return path + ending
    raise SampleError("missing_media", f"no file {' or '.join(paths)}")


def _frames_of_folder(folder: str, wanted: int, size: int) -> list[np.ndarray]:
    chosen = chosen_frames(folder, wanted)
    if not chosen:
        raise SampleError("missing_media", f"no image in {folder}")
    decoded = {path: decode_near(storage.read_bytes(path), size) for path in set(chosen)}
    return [decoded[path] for path in chosen]
