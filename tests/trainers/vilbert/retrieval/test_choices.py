"""Hard captions are those of neighbours, and never one of the image's own."""

from pathlib import Path

import numpy as np
import pytest
import torch

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.reading.annotated_rows import AnnotatedSample
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig
from corpusloom.trainers.vilbert.downstream.join import join
from corpusloom.trainers.vilbert.retrieval.captioned import read_captioned
from corpusloom.trainers.vilbert.retrieval.choices import (
    Caption,
    ChoiceTransform,
    captions_of,
    example_batch,
    plain,
)
from corpusloom.trainers.vilbert.retrieval.neighbours import NONE
from corpusloom.trainers.vilbert.tokenizer import encode
from tests.trainers.vilbert.region_pairs import region_sample, write_regions
from tests.trainers.vilbert.retrieval.caption_files import captions_of as texts_of
from tests.trainers.vilbert.retrieval.caption_files import write_karpathy
from tests.trainers.vilbert.retrieval.test_pool import TOOLS
from tests.trainers.vilbert.small import small_config

DATA = TaskDataConfig(tokens=8, regions=6)
TEXTS = [("a red disc", "the disc is red"), ("A  RED disc", "a blue star"), ("a red disc",), ("a green ring", "a ring")]
NEAREST = np.array([[1, 2], [0, 3], [0, 3], [2, 1]], np.int32)


def transform(nearest: np.ndarray = NEAREST) -> ChoiceTransform:
    return ChoiceTransform(TOOLS.tokenizer, DATA, small_config(), TEXTS, nearest)


def row(image: int, seed: int = 0) -> dict[str, np.ndarray]:
    item = AnnotatedSample("key", region_sample(image), Caption("key", image, TEXTS[image][0]))
    return dict(transform()(item, np.random.default_rng(seed)))


def test_a_hard_caption_is_one_of_a_neighbour_but_not_of_the_image() -> None:
    hard = [transform().hard_caption(0, np.random.default_rng(seed)) for seed in range(40)]
    assert set(hard) == {"a blue star"}  # the other captions of both neighbours are the image's own, whatever the case
    assert {transform().hard_caption(3, np.random.default_rng(seed)) for seed in range(40)} == {
        "a red disc",
        "A  RED disc",
        "a blue star",
    }


def test_an_image_whose_neighbours_have_no_other_caption_has_no_hard_one() -> None:
    alone = np.array([[2, 2]] * 4, np.int32)
    assert transform(alone).hard_caption(0, np.random.default_rng(0)) is None
    unread = np.full((4, 2), NONE, np.int32)
    assert transform(unread).hard_caption(0, np.random.default_rng(0)) is None
    item = AnnotatedSample("key", region_sample(0), Caption("key", 0, TEXTS[0][0]))
    found = transform(alone)(item, np.random.default_rng(0))
    assert not found["has_hard"]
    assert np.array_equal(found["hard_tokens"], found["tokens"])


def test_a_row_has_the_caption_a_hard_one_and_draws_of_its_sample() -> None:
    found = row(0)
    assert found["tokens"].tolist() == encode(TOOLS.tokenizer, "a red disc", 8).tolist()
    assert found["hard_tokens"].tolist() == encode(TOOLS.tokenizer, "a blue star", 8).tolist()
    assert found["token_mask"].sum() == 5
    assert found["has_hard"]
    assert found["image"] == 0
    assert np.array_equal(found["draws"], row(0)["draws"])
    assert not np.array_equal(found["draws"], row(0, seed=1)["draws"])


def test_captions_that_the_vocabulary_cannot_tell_apart_are_no_choice() -> None:
    texts = [("unknown one",), ("other words",)]
    some = ChoiceTransform(TOOLS.tokenizer, DATA, small_config(), texts, np.array([[1], [0]], np.int32))
    item = AnnotatedSample("key", region_sample(0), Caption("key", 0, texts[0][0]))
    assert not some(item, np.random.default_rng(0))["has_hard"]


def test_texts_are_compared_without_case_and_spaces() -> None:
    assert plain(" A  Red\tdisc ") == "a red disc"


def test_each_caption_is_an_annotation_of_its_image(tmp_path: Path) -> None:
    path = write_regions(tmp_path / "regions", 4)
    images = read_captioned([write_karpathy(tmp_path / "d.json", range(5))], None).images
    (rows,) = captions_of(path, join(path, images)).annotations
    assert sorted((item.of, item.text) for item in rows) == sorted((n, t) for n in range(4) for t in texts_of(n))
    assert len({item.key for item in rows}) == 8


def test_the_example_has_the_shapes_and_types_of_a_row() -> None:
    example, found = example_batch(small_config(), DATA, 1), row(0)
    assert set(example) == {"keys", *found}
    for name, value in found.items():
        tensor = torch.from_numpy(np.asarray(value))
        assert example[name].shape[1:] == tensor.shape, name
        assert example[name].dtype == tensor.dtype, name


def test_samples_without_regions_are_refused() -> None:
    item = AnnotatedSample("key", object(), Caption("key", 0, "a"))
    with pytest.raises(ConfigError, match="ViLBERT trains on regions"):
        transform()(item, np.random.default_rng(0))
