"""Reads images and folders of frames for prompts."""

import numpy as np

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.layout import IMAGE_EXTENSIONS
from corpusloom.trainers.flamingo.data import FlamingoTransform, choose_frames
from corpusloom.trainers.stream.samples.typed import ClipSample, PairSample, TypedSample

IMAGE_ENDINGS = tuple(f".{name}" for name in (*IMAGE_EXTENSIONS, "jpeg"))


def read_image(path: str, transform: FlamingoTransform) -> np.ndarray:
    """Return an image file as the model sees it, (1, 3, S, S) uint8, or a folder of frames as a clip, (T, 3, S, S).

    `transform` does not augment. The frames of a clip are spread over the folder, in the order of their names. Raises
    InputError that names a file that is absent or cannot be decoded, or a folder without images.
    """
    if storage.is_folder(path):
        return _read_clip(path, transform)
    if not storage.exists(path):
        raise InputError("no such image", where=path, remedy="check the path")
    return decode_image(storage.read_bytes(path), path, transform)


def decode_image(data: bytes, name: str, transform: FlamingoTransform) -> np.ndarray:
    """Return the bytes of an image file as the model sees it, (1, 3, S, S) uint8; an InputError gives `name`."""
    return _pixels(PairSample(name, data, "", {}), transform)


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
    frames = {path: storage.read_bytes(path) for path in set(chosen)}
    return _pixels(ClipSample(folder, tuple(frames[path] for path in chosen), "", {}), transform)


def _pixels(sample: TypedSample, transform: FlamingoTransform) -> np.ndarray:
    try:
        return transform(sample, np.random.default_rng(0))["images"][0]
    except ImageError as error:
        raise InputError(f"the image cannot be decoded: {error}", where=sample.key, remedy="leave it out") from error
