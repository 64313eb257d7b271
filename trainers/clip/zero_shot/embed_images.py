"""Embeddings of the images of an evaluation, with their labels.

Shapes: N images, D features.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from corpusloom.schemas.images.thumbnails import thumbnail
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.evaluation.batches import EvaluationSettings, ItemSource, measure_batches
from corpusloom.trainers.evaluation.figures import check_finite


class ImageItem(Protocol):
    """One encoded image of an evaluation."""

    @property
    def key(self) -> str:
        """Name of the image."""

    @property
    def image(self) -> bytes:
        """Its encoded bytes, which may be read on access."""


class LabelledImages(Protocol):
    """Images of an evaluation in a fixed order."""

    @property
    def folder(self) -> str:
        """Path of the images."""

    def __iter__(self) -> Iterator[Any]: ...

    def label_of(self, item: Any) -> Any:
        """Return the class of an item, or an array over classes; SampleError if it has none that can be used."""


@dataclass(frozen=True, slots=True)
class EmbeddedImages:
    """Embeddings of the images that could be read, in their order."""

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    """Places of the images among all items, from 0."""
    vectors: Tensor
    """(N, D), on the model's device."""
    labels: Tensor
    """(N,) or (N, C) int, on the same device."""
    skipped: tuple[str, ...]
    """A line per image that could not be read: its name and the reason."""
    reused: int
    """Number of batches that a killed evaluation had finished."""


def embed_images(
    images: LabelledImages,
    encode: Callable[[Tensor], Tensor],
    size: int,
    settings: EvaluationSettings,
    device: torch.device,
    *,
    squash: bool = False,
) -> EmbeddedImages:
    """Return the vectors that `encode` computes from the central squares of images, (B, 3, size, size) uint8 -> (B, D).

    With `squash` whole images are resized to the square, without their proportions. Images that cannot be read are
    listed in `skipped`. Raises InputError if none can be read, and NotFiniteError for embeddings that are not finite.
    """
    names: list[str] = []

    def numbered() -> Iterator[tuple[int, Any]]:
        for number, item in enumerate(islice(images, settings.limit)):
            names.append(item.key)
            yield number, item

    def read(entry: tuple[int, Any]) -> tuple[int, np.ndarray, np.ndarray]:
        number, item = entry
        label = np.asarray(images.label_of(item), np.int64)
        return number, evaluation_image(item.image, size, squash=squash), label

    def measure(rows: Sequence[tuple[int, np.ndarray, np.ndarray]]) -> dict[str, Tensor]:
        numbers, pixels, labels = zip(*rows, strict=True)
        return {
            "image": encode(torch.from_numpy(np.stack(pixels)).to(device)),
            "label": torch.from_numpy(np.stack(labels)),
            "number": torch.tensor(numbers),
        }

    source = ItemSource(numbered(), read, lambda entry: entry[1].key, images.folder)
    found = measure_batches(source, measure, settings, device)
    vectors, numbers = found.tensors["image"].to(device), found.tensors["number"].tolist()
    check_finite(vectors, "images")
    return EmbeddedImages(
        tuple(names[number] for number in numbers),
        tuple(numbers),
        vectors,
        found.tensors["label"].to(device),
        found.skipped,
        found.reused,
    )


def thumbnails_of(images: LabelledImages, numbers: set[int], side: int) -> dict[int, str]:
    """Return number -> thumbnail of at most `side` pixels per side, a data: URI, for images that decode."""
    found = {}
    for number, item in enumerate(islice(images, max(numbers, default=-1) + 1)):
        uri = thumbnail(item.image, side) if number in numbers else None
        if uri is not None:
            found[number] = uri
    return found
