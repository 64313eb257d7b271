"""RICES: the most similar images first, without the query's own and without what cannot be read."""

import numpy as np
import pytest
import torch
from torch import Tensor

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.prompts.episodes import Example
from corpusloom.trainers.flamingo.prompts.pool import ShotPool
from corpusloom.trainers.flamingo.prompts.rices import embed, most_similar
from corpusloom.trainers.stream.errors import SampleError
from tests.trainers.flamingo.test_model import Eyes


class Tower(Eyes):
    """An image tower: the mean of its grid, without the mean over all colours."""

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 8, 8) -> (B, 12)."""
        return self.grid(images).mean(1) - self.linear.bias


TINTS = {"red": (200, 20, 20), "orange": (200, 90, 20), "green": (20, 200, 20), "blue": (20, 20, 200)}


def coloured(tint: tuple[int, int, int], frames: int = 1) -> np.ndarray:
    """Return a clip of one colour."""
    return np.broadcast_to(np.array(tint, np.uint8)[None, :, None, None], (frames, 3, 8, 8)).copy()


def pool_of(names: list[str]) -> ShotPool:
    """Return a pool of one image per colour; one called broken cannot be read."""

    def read(number: int) -> Example:
        if names[number] == "broken":
            raise SampleError("not_an_image")
        return Example(coloured(TINTS[names[number]]), names[number])

    return ShotPool(len(names), read, True, "here")


def test_similar_images_come_first_and_broken_ones_not_at_all() -> None:
    torch.manual_seed(0)
    names = ["blue", "broken", "red", "green", "orange"]
    queries = [Example(coloured(TINTS[name]), name) for name in ("red", "blue")]
    red, blue = most_similar(Tower(), queries, pool_of(names), 2)
    assert [names[number] for number in red[:2]] == ["red", "orange"]
    assert names[blue[0]] == "blue"
    assert sorted(red) == [0, 2, 3, 4]


def test_a_clip_is_as_similar_as_the_mean_of_its_frames() -> None:
    torch.manual_seed(0)
    tower, red, blue = Tower(), coloured(TINTS["red"], 3), coloured(TINTS["blue"])
    found = embed(tower, [red, np.concatenate([red, blue])])
    assert found.shape == (2, 12)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert np.allclose(found[0], embed(tower, [red[:1]])[0], atol=1e-6)


def test_a_pool_without_a_readable_image_is_refused() -> None:
    with pytest.raises(InputError, match="here: no image can be read"):
        most_similar(Tower(), [], pool_of(["broken"]), 1)
