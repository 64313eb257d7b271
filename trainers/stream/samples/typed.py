"""Makes typed samples from members: no pickle is read, no name in a tar becomes a path, all sizes are limited."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from corpusloom.schemas.layout import IMAGE_EXTENSIONS, decode_text
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.samples.npz import load_arrays
from corpusloom.trainers.stream.samples.page_json import page_lists

MAX_JSON_BYTES = 1 << 24


@dataclass(slots=True)
class PairSample:
    """An image, encoded, and its text; the text is empty if the dataset keeps images without one."""

    key: str
    image: bytes
    text: str
    info: dict[str, Any]


@dataclass(slots=True)
class InterleavedSample:
    """A page: two parallel lists; at each index one has a text or the other an encoded image."""

    key: str
    texts: tuple[str | None, ...]
    images: tuple[bytes | None, ...]
    info: dict[str, Any]


@dataclass(slots=True)
class ClipSample:
    """A video clip: its encoded frames in order, and its text."""

    key: str
    frames: tuple[bytes, ...]
    text: str
    info: dict[str, Any]


@dataclass(slots=True)
class RegionsSample:
    """A pair with its regions: boxes (n, 4) float32, features (n, width) and class_probs (n, classes) float16.

    There are 0 classes if the detector's outputs have no probabilities.
    """

    key: str
    image: bytes
    text: str
    info: dict[str, Any]
    boxes: np.ndarray
    features: np.ndarray
    class_probs: np.ndarray


TypedSample: TypeAlias = PairSample | InterleavedSample | ClipSample | RegionsSample


def make_sample(kind: str, key: str, members: Mapping[str, bytes]) -> TypedSample:
    """Return the typed sample of a dataset's kind (`schemas.layout.KINDS`); SampleError if there is none."""
    return _MAKERS[kind](key, members)


def _need(members: Mapping[str, bytes], field: str) -> bytes:
    if field not in members:
        extension = field.rsplit(".", 1)[-1]
        raise SampleError("missing_image" if extension in IMAGE_EXTENSIONS else f"missing_{extension}", field[:80])
    return members[field]


def _image(members: Mapping[str, bytes]) -> bytes:
    for extension in IMAGE_EXTENSIONS:
        if extension in members:
            return members[extension]
    raise SampleError("missing_image")


def _told(members: Mapping[str, bytes]) -> str:
    """Return the text of the .txt member without its byte order mark; empty if there is none, or if it is blank."""
    try:
        text = decode_text(members.get("txt", b""))
    except UnicodeDecodeError as error:
        raise SampleError("bad_text", str(error)) from error
    return "" if text.isspace() else text


def _text(members: Mapping[str, bytes]) -> str:
    text = _told(members)
    if not text:
        _need(members, "txt")
        raise SampleError("empty_text")
    return text


def _caption(members: Mapping[str, bytes], info: Mapping[str, Any]) -> str:
    """Return a pair's text; without a .txt member, or if it is blank, it is `caption` or `text` of the JSON."""
    values = (_told(members), info.get("caption"), info.get("text"))
    found = (value for value in values if isinstance(value, str) and value.strip())
    return next(found, None) or _text(members)


def _info(members: Mapping[str, bytes], *, needed: bool = False) -> dict[str, Any]:
    if "json" not in members and not needed:
        return {}
    data = _need(members, "json")
    if len(data) > MAX_JSON_BYTES:
        raise SampleError("json_too_large")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SampleError("bad_json", str(error)) from error
    if not isinstance(value, dict):
        raise SampleError("bad_json", "not an object")
    return value


def _pair(key: str, members: Mapping[str, bytes]) -> PairSample:
    info = _info(members)
    has_text = "txt" in members or info.get("text_source") != ""
    return PairSample(key, _image(members), _caption(members, info) if has_text else "", info)


def _interleaved(key: str, members: Mapping[str, bytes]) -> InterleavedSample:
    info = _info(members, needed=True)
    texts, images = page_lists(key, info, members)
    return InterleavedSample(key, texts, images, info)


def _clip(key: str, members: Mapping[str, bytes]) -> ClipSample:
    names = sorted(field for field in members if field.rsplit(".", 1)[-1] in IMAGE_EXTENSIONS)
    if not names:
        raise SampleError("missing_image")
    return ClipSample(key, tuple(members[name] for name in names), _text(members), _info(members))


def _regions(key: str, members: Mapping[str, bytes]) -> RegionsSample:
    arrays = load_arrays(_need(members, "regions.npz"))
    absent = {"boxes", "features", "class_probs"} - arrays.keys()
    if absent:
        raise SampleError("bad_regions", f"no array {sorted(absent)[0]}")
    boxes, features, probs = arrays["boxes"], arrays["features"], arrays["class_probs"]
    tables = all(array.ndim == 2 for array in (boxes, features, probs))
    if not tables or boxes.shape[1] != 4 or not len(boxes) == len(features) == len(probs):
        raise SampleError("bad_regions", "the arrays' shapes differ")
    return RegionsSample(key, _image(members), _text(members), _info(members), boxes, features, probs)


_MAKERS: dict[str, Callable[[str, Mapping[str, bytes]], TypedSample]] = {
    "pairs": _pair,
    "interleaved": _interleaved,
    "clips": _clip,
    "regions": _regions,
}
