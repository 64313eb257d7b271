"""Typed samples: what a training transform gets, still as bytes."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from schemas import layout
from schemas.errors import DamageError

MAX_MEMBER_BYTES = 256_000_000


@dataclass(frozen=True, slots=True)
class PairSample:
    """An image and its text."""

    key: str
    image: bytes
    text: str
    info: dict[str, Any]


@dataclass(frozen=True, slots=True)
class InterleavedSample:
    """A page: two parallel lists in reading order, at each position a text or an image."""

    key: str
    texts: tuple[str | None, ...]
    images: tuple[bytes | None, ...]
    info: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClipSample:
    """A video clip: frames in order."""

    key: str
    frames: tuple[bytes, ...]
    text: str
    info: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RegionsSample:
    """A pair with its image's regions: boxes [n, 4] in pixels, features [n, d], class_probs [n, c]."""

    key: str
    image: bytes
    text: str
    info: dict[str, Any]
    boxes: np.ndarray
    features: np.ndarray
    class_probs: np.ndarray


Sample: TypeAlias = PairSample | InterleavedSample | ClipSample | RegionsSample


def make_sample(kind: str, key: str, members: Mapping[str, bytes]) -> Sample:
    """Return the typed sample of a key's members; raise DamageError for one that lacks a member."""
    try:
        if kind == "interleaved":
            return _interleaved(key, members)
        info = _json(members)
        images = sorted(name for name in members if layout.extension_of(name) in layout.IMAGE_EXTENSIONS)
        if kind == "clips":
            return ClipSample(key, tuple(members[name] for name in images), members["txt"].decode(), info)
        if not images:
            raise KeyError("image")
        image, text = members[images[0]], members["txt"].decode()
        if kind == "regions":
            return RegionsSample(key, image, text, info, **load_arrays(members["regions.npz"]))
        return PairSample(key, image, text, info)
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        raise DamageError(
            f"sample {key}: {type(error).__name__} {error}", remedy="loom verify DATASET --deep"
        ) from error


def _json(members: Mapping[str, bytes]) -> dict[str, Any]:
    return dict(json.loads(members["json"])) if "json" in members else {}


def _interleaved(key: str, members: Mapping[str, bytes]) -> InterleavedSample:
    body = _json(members)
    prefix = f"{key}."
    names = [None if name is None else str(name).removeprefix(prefix) for name in body["images"]]
    images = tuple(None if name is None else members[name] for name in names)
    if len(images) != len(body["texts"]):
        raise ValueError("texts and images differ in length")
    return InterleavedSample(key, tuple(body["texts"]), images, body)


def load_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of a regions.npz, without pickle and below the size cap even when unpacked."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(item.file_size for item in archive.infolist()) > MAX_MEMBER_BYTES:
            raise ValueError("regions.npz is too large")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in ("boxes", "features", "class_probs")}
