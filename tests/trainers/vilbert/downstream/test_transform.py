"""An annotated image becomes the model's inputs and the task's targets, in the shapes of the example batch."""

import numpy as np
import pytest
import torch

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.reading.annotated_rows import AnnotatedSample
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig
from corpusloom.trainers.vilbert.downstream.formats.questions import Question
from corpusloom.trainers.vilbert.downstream.tasks.answers import AnswerVocabulary
from corpusloom.trainers.vilbert.downstream.tasks.vqa import VQATask
from corpusloom.trainers.vilbert.downstream.transform import TaskTransform, example_batch
from corpusloom.trainers.vilbert.tokenizer import make_tokenizer
from tests.trainers.vilbert.downstream.worlds import region_sample
from tests.trainers.vilbert.folders import WORDS
from tests.trainers.vilbert.small import small_config

TOKENIZER = make_tokenizer({word: number for number, word in enumerate(WORDS)})
TASK = VQATask(AnswerVocabulary(("yes", "no")))
DATA = TaskDataConfig(tokens=8, regions=6)
QUESTION = Question(5, "77", 1, "disc", ("yes",) * 10)


def test_a_row_has_the_shapes_and_types_of_the_example() -> None:
    sample = region_sample(1)
    row = TaskTransform(TOKENIZER, DATA, small_config(), TASK)(AnnotatedSample("77", sample, QUESTION))
    example = {name: value for name, value in example_batch(small_config(), DATA, TASK, 1).items() if name != "keys"}
    found = {name: torch.from_numpy(np.asarray(value)[None]) for name, value in row.items()}
    assert {name: (value.shape, value.dtype) for name, value in found.items()} == {
        name: (value.shape, value.dtype) for name, value in example.items()
    }
    assert int(row["number"]) == 5
    assert row["scores"].tolist() == [1.0, 0.0]
    mean = sample.features.astype(np.float32).mean(0)  # IMG: the mean of all regions, none of them masked
    np.testing.assert_allclose(row["features"][0], mean, atol=1e-3)
    np.testing.assert_array_equal(row["features"][1:5], sample.features)
    assert row["region_mask"].tolist() == [True] * 5 + [False] * 2


def test_regions_of_another_width_are_refused() -> None:
    transform = TaskTransform(TOKENIZER, DATA, small_config(feature_width=12), TASK)
    with pytest.raises(ConfigError, match=r"model\.feature_width: .* have 10, the model 12"):
        transform(AnnotatedSample("77", region_sample(1), QUESTION))
