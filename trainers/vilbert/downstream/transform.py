"""Converts an annotated image to the tensors of a downstream task: text, regions without masking, targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.reading.annotated_rows import AnnotatedSample
from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.vilbert.config import ViLBERTConfig
from corpusloom.trainers.vilbert.data import check_width, region_inputs
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig
from corpusloom.trainers.vilbert.downstream.ground_truth import GroundTruth, joined_regions
from corpusloom.trainers.vilbert.downstream.task import DownstreamTask
from corpusloom.trainers.vilbert.downstream.texts import text_inputs


@dataclass(frozen=True)
class TaskTransform:
    """An annotated image -> one row of each tensor of a batch."""

    tokenizer: Tokenizer
    data: TaskDataConfig
    shape: ViLBERTConfig
    task: DownstreamTask
    ground_truth: GroundTruth | None = None
    """Further regions of each image; None: no further ones."""

    def __call__(self, item: AnnotatedSample, rng: np.random.Generator | None = None) -> Mapping[str, np.ndarray]:
        """Return the model's inputs, the number of the annotation, and the task's targets; nothing is drawn."""
        sample = item.sample
        if not isinstance(sample, RegionsSample):
            raise ConfigError("ViLBERT trains on regions", where="--data", remedy="loom build regions --from DATASET")
        check_width("feature_width", self.shape.feature_width, sample.features.shape[1], sample.key)
        more = None if self.ground_truth is None else self.ground_truth.of(item.annotation)
        sample = sample if more is None else joined_regions(sample, more, self.data.regions)
        return {
            "number": np.array(item.annotation.number),
            **text_inputs(self.tokenizer, item.annotation.text, self.data.tokens),
            **region_inputs(sample, self.data.regions),
            **self.task.targets(item.annotation, sample),
        }


def example_batch(shape: ViLBERTConfig, data: TaskDataConfig, task: DownstreamTask, rows: int) -> dict[str, Any]:
    """Return a batch as the stream gives it, of zeros."""
    words = (rows, data.tokens) if task.choices is None else (rows, task.choices, data.tokens)
    regions = (rows, data.regions + 1)
    return {
        "keys": [""] * rows,
        "number": torch.zeros(rows, dtype=torch.int64),
        "tokens": torch.zeros(words, dtype=torch.int64),
        "token_mask": torch.ones(words, dtype=torch.bool),
        "features": torch.zeros(*regions, shape.feature_width, dtype=torch.float16),
        "locations": torch.zeros(*regions, 5),
        "region_mask": torch.ones(regions, dtype=torch.bool),
        **({} if task.choices is None else {"segments": torch.zeros(words, dtype=torch.int64)}),
        **task.example(rows),
    }
