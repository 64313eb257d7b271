"""Reads images, videos and folders of frames for prompts."""

from collections.abc import Sequence

import numpy as np

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.layout import IMAGE_EXTENSIONS
from corpusloom.trainers.flamingo.data import FlamingoTransform, choose_frames
from corpusloom.trainers.flamingo.prompts.video_frames import VIDEO_ENDINGS, UnreadableVideoError, read_frames
from corpusloom.trainers.stream.samples.image_ops import pad_to_square
from corpusloom.trainers.stream.samples.typed import PairSample

IMAGE_ENDINGS = tuple(f".{name}" for name in (*IMAGE_EXTENSIONS, "jpeg"))
IMAGES_ONLY = f"give an image, such as {', '.join(IMAGE_ENDINGS)}"
READ = f"{IMAGES_ONLY}, a video ({', '.join(VIDEO_ENDINGS)}) or a folder of frames"
"""Remedy that names the files that can be read."""


def read_image(path: str, transform: FlamingoTransform) -> np.ndarray:
    """Return an image file as the model sees it, (1, 3, S, S) uint8, or a video or folder of frames, (T, 3, S, S).

    `transform` does not augment. Frames are spread over the video, or over the folder in the order of their names.
    Raises InputError that names a file that is absent or cannot be decoded, or a folder without images.
    """
    if storage.is_folder(path):
        return _read_clip(path, transform)
    if not storage.exists(path):
        raise InputError("no such file", where=path, remedy=READ)
    if path.lower().endswith(VIDEO_ENDINGS):
        return _read_video(path, transform)
    return _pixels(storage.read_bytes(path), path, transform, READ)


def decode_image(data: bytes, name: str, transform: FlamingoTransform) -> np.ndarray:
    """Return the bytes of an image file as the model sees it, (1, 3, S, S) uint8; an InputError gives `name`."""
    return _pixels(data, name, transform, IMAGES_ONLY)


def chosen_frames(folder: str, wanted: int) -> list[str]:
    """Return the paths of `wanted` of a folder's images, spread over it in the order of their names; none if empty."""
    names = [name for name in storage.listing(folder) if name.lower().endswith(IMAGE_ENDINGS)]
    if not names:
        return []
    return [storage.join(folder, names[number]) for number in choose_frames(len(names), wanted, None)]


def _read_clip(folder: str, transform: FlamingoTransform) -> np.ndarray:
    chosen = chosen_frames(folder, transform.config.evaluation_frames)
    if not chosen:
        raise InputError("no image in this folder", where=folder, remedy="a clip is a folder of its frames")
    frames = {path: read_image(path, transform)[0] for path in dict.fromkeys(chosen)}
    return np.stack([frames[path] for path in chosen])


def _read_video(path: str, transform: FlamingoTransform) -> np.ndarray:
    try:
        return stack_frames(read_frames(path, transform.config.evaluation_frames), transform)
    except UnreadableVideoError as error:
        remedy = "give a local file that OpenCV decodes, or a folder of its frames"
        raise InputError("the video cannot be decoded", where=path, remedy=remedy) from error


def stack_frames(frames: Sequence[np.ndarray], transform: FlamingoTransform) -> np.ndarray:
    """Return frames, (H, W, 3) uint8, padded to squares, as (T, 3, S, S). The same array twice is padded once."""
    squares = {id(frame): pad_to_square(frame, transform.size, transform.config.fill) for frame in frames}
    return np.stack([squares[id(frame)] for frame in frames]).transpose(0, 3, 1, 2)


def _pixels(data: bytes, name: str, transform: FlamingoTransform, remedy: str) -> np.ndarray:
    try:
        return transform(PairSample(name, data, "", {}), np.random.default_rng(0))["images"][0]
    except ImageError as error:
        raise InputError(f"the image cannot be decoded: {error}", where=name, remedy=remedy) from error
