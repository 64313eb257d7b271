"""Embeddings keep the order of the images, and name those that cannot be read."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
import torch

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.clip.zero_shot.embed_images import embed_images, thumbnails_of
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.evaluation.figures import NotFiniteError
from corpusloom.trainers.stream.errors import SampleError
from tests.trainers.datasets import coloured_pairs


class Item(NamedTuple):
    key: str
    image: bytes
    label: int


class Images:
    """Pictures of which the second is broken and the last has no class."""

    folder = "pictures"

    def __iter__(self) -> Iterator[Item]:
        for number, pair in enumerate(coloured_pairs(5)):
            yield Item(f"{number}", b"broken" if number == 1 else pair.image, number)

    def label_of(self, item: Item) -> list[int]:
        if item.label == 4:
            raise SampleError("no_class")
        return [item.label, 7]


def mean_colour(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.float().mean((2, 3))


@pytest.mark.parametrize("batch_size", [1, 2, 9])
def test_embeddings_names_and_labels_are_in_the_order_of_the_images(batch_size: int) -> None:
    settings = EvaluationSettings(batch_size=batch_size)
    found = embed_images(Images(), mean_colour, 8, settings, torch.device("cpu"))
    assert (found.names, found.numbers) == (("0", "2", "3"), (0, 2, 3))
    assert found.labels.tolist() == [[0, 7], [2, 7], [3, 7]]
    assert found.vectors.shape == (3, 3)
    assert found.vectors[1, 2] > found.vectors[1, 0]  # the third picture is blue, with less of red
    assert found.skipped == ("1: not_an_image", "4: no_class")


def test_a_limit_counts_images_that_cannot_be_read_too() -> None:
    found = embed_images(Images(), mean_colour, 8, EvaluationSettings(limit=2), torch.device("cpu"))
    assert (found.names, found.skipped) == (("0",), ("1: not_an_image",))


def test_values_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(NotFiniteError, match="embeddings of 3 of 3 images"):
        embed_images(Images(), lambda pixels: mean_colour(pixels) / 0, 8, EvaluationSettings(), torch.device("cpu"))
    with pytest.raises(InputError, match="pictures: holds no sample"):
        embed_images(Images(), mean_colour, 8, EvaluationSettings(limit=0), torch.device("cpu"))


def test_thumbnails_are_made_of_the_images_that_are_asked_for() -> None:
    found = thumbnails_of(Images(), {0, 1, 3}, 16)
    assert set(found) == {0, 3}
    assert found[0] != found[3]
