"""Pools of shots: examples that cannot be read are passed over, and too small a pool is refused."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.flamingo.config import FlamingoDataConfig
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.flamingo.prompts.episodes import Example
from corpusloom.trainers.flamingo.prompts.pool import ShotPool, open_pool, to_example
from corpusloom.trainers.stream.errors import SampleError
from tests.trainers.datasets import Pair, coloured_pairs, write_pairs
from tests.trainers.flamingo.test_data import VOCABULARY, page

TRANSFORM = FlamingoTransform(VOCABULARY, FlamingoDataConfig(), 16, augment=False)


QUERY = Example(np.zeros((1, 3, 16, 16), np.uint8), "", key="q")


def test_a_dataset_is_a_pool_whose_unreadable_samples_are_passed_over(tmp_path: Path) -> None:
    data = write_pairs(tmp_path, [*coloured_pairs(3), Pair(b"\xff\xd8 no picture", "a broken picture")])
    with ExitStack() as closing:
        pool = open_pool(data, TRANSFORM, closing)
        found = pool.take(range(4), 3, QUERY)
        assert sorted(example.text for example in found) == sorted(pair.text for pair in coloured_pairs(3))
        assert all(example.key and example.pixels.shape == (1, 3, 16, 16) for example in found)
        with pytest.raises(InputError, match="has 3 of 4 shots"):
            pool.take(range(4), 4, QUERY)


def test_an_example_with_the_querys_key_or_image_is_no_shot() -> None:
    other = np.ones((1, 3, 16, 16), np.uint8)
    held = [Example(other, "own", key="q"), Example(QUERY.pixels, "copy", key="c"), Example(other, "right", key="d")]
    found = ShotPool(3, held.__getitem__, True, "here").take(range(3), 1, QUERY)
    assert [example.text for example in found] == ["right"]


@pytest.mark.parametrize(("own", "needed"), [(True, 5), (False, 4)])
def test_a_pool_with_fewer_examples_than_shots_is_refused(own: bool, needed: int) -> None:
    ShotPool(needed, _unread, own, "here").check_holds(4)
    with pytest.raises(InputError, match=rf"here: holds {needed - 1} samples \(4 examples per query need {needed}\)"):
        ShotPool(needed - 1, _unread, own, "here").check_holds(4)


def test_pages_have_no_captions() -> None:
    with pytest.raises(ConfigError, match="needs captions"):
        to_example(TRANSFORM, page())


def _unread(number: int) -> Example:
    raise SampleError("not_an_image")
