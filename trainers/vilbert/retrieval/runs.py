"""Runs of caption-based retrieval: each caption of a file is one item of the stream (arXiv 1908.02265, section 3.2).

The model is that of the pre-training, whose alignment head is trained on; so `loom eval retrieval` measures it before
and after.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.checkpoints.folders import read_attachment, read_commit
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.evaluation.finished import identity
from corpusloom.trainers.stream.reading.annotated_rows import AnnotatedRows
from corpusloom.trainers.stream.reading.index import open_index
from corpusloom.trainers.training.batches import make_batches, open_stream
from corpusloom.trainers.training.config import RunConfig
from corpusloom.trainers.training.parallel import with_weights
from corpusloom.trainers.training.task import Evaluate, TrainingTask, learnt_note, overlap_note
from corpusloom.trainers.vilbert.config import model_config
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig, need_annotations, task_data_config
from corpusloom.trainers.vilbert.downstream.join import JoinedAnnotations, join
from corpusloom.trainers.vilbert.downstream.runs import only_dataset, random_note
from corpusloom.trainers.vilbert.initial import (
    attachments_of,
    build_model,
    check_fits,
    initial_model,
    make_tokenizer,
    source_of,
)
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.retrieval.captioned import CaptionFiles, limited, read_captioned
from corpusloom.trainers.vilbert.retrieval.choices import ChoiceTransform, captions_of, example_batch
from corpusloom.trainers.vilbert.retrieval.figures import captioned_retrieval
from corpusloom.trainers.vilbert.retrieval.neighbours import find_neighbours, from_bytes, to_bytes
from corpusloom.trainers.vilbert.retrieval.objective import RetrievalObjective
from corpusloom.trainers.vilbert.retrieval.pool import RetrievalTools, retrieve_captioned

NEIGHBOURS = "neighbours.tensors"
"""Name of the nearest images in a checkpoint, from which a resumed run reads them."""


def build_objective(config: RunConfig) -> RetrievalObjective:
    """Return the objective, which has no settings."""
    return RetrievalObjective()


def example(config: RunConfig, rows: int) -> dict[str, Any]:
    """Return a batch of zeros as the stream gives it."""
    return example_batch(model_config(config), task_data_config(config), rows)


@dataclass(frozen=True, slots=True)
class _Pool:
    """The images of a split, their captions, and where the dataset has them."""

    path: str
    captioned: CaptionFiles
    joined: JoinedAnnotations


def _pool(path: str, data: TaskDataConfig, split: str | None, limit: int | None = None) -> _Pool:
    captioned = limited(read_captioned(need_annotations(data), split), limit)
    return _Pool(path, captioned, join(path, captioned.images))


def build_task(config: RunConfig, datasets: Mapping[str, tuple[str, float]], begun: str | None = None) -> TrainingTask:
    """Return the run of retrieval over one dataset of regions: name -> (path, its share, which is not used).

    The nearest images are read from `begun`, the run's newest checkpoint, or found before the first step, for which
    each image is read once. Raises ConfigError for several datasets, InputError if the dataset has fewer than two
    images of the annotations.
    """
    shape, data = model_config(config), task_data_config(config)
    path = only_dataset(datasets, shape.task)
    source = source_of(config, begun)
    pool = _pool(path, data, data.split)
    texts = [image.captions for image in pool.captioned.images]
    tokenizer, learnt = make_tokenizer(
        source, data.vocabulary, data.vocab_size, lambda: (text for own in texts for text in own)
    )
    check_fits(tokenizer, data.tokens, shape, where=config.name)
    tools = RetrievalTools(tokenizer, data.tokens, data.regions)
    evaluate = None if data.evaluate is None else _evaluation(tools, data, path)
    annotated = captions_of(path, pool.joined)
    digest = _digest(pool, annotated, data)
    nearest = _neighbours(pool, data, digest, begun, config.train.workers)
    transform = ChoiceTransform(tokenizer, data, shape, texts, nearest)
    return TrainingTask(
        model=with_weights(partial(initial_model, config, source), partial(build_model, config)),
        skeleton=partial(build_model, config),
        objective=build_objective(config),
        stream=make_batches(config, open_stream(config, path, annotated=annotated), transform),
        example=lambda: example(config, 1),
        evaluate=evaluate,
        figures=(*dict(captioned_retrieval(torch.eye(2), torch.arange(2))), "skipped", "left_out"),
        attachments={**attachments_of(tokenizer, source), NEIGHBOURS: to_bytes(nearest, digest)},
        notes=(
            *pool.captioned.notes,
            *pool.joined.notes,
            *((learnt_note(tokenizer.get_vocab_size(), "data.vocabulary"),) if learnt else ()),
            *random_note(shape),
            *overlap_note(data.split, data.evaluate),
        ),
    )


def _digest(pool: _Pool, annotated: AnnotatedRows, data: TaskDataConfig) -> str:
    """Return a name of all that the nearest images depend on."""
    return identity(open_index(pool.path).digest, annotated.digest, data.regions, data.neighbours)


def _neighbours(pool: _Pool, data: TaskDataConfig, digest: str, begun: str | None, workers: int) -> np.ndarray:
    """Return the nearest images: those of the run's newest checkpoint if they are of the same images, else anew."""
    if begun is not None and NEIGHBOURS in read_commit(begun)["files"]:
        known = from_bytes(read_attachment(begun, NEIGHBOURS), digest)
        if known is not None:
            return known
    if data.neighbours < 1:
        raise ConfigError(f"neighbours is {data.neighbours}", where="data.neighbours", remedy="give 1 or more")
    settings = EvaluationSettings(workers=max(1, workers))
    return find_neighbours(pool.path, pool.joined, len(pool.captioned.images), data.regions, data.neighbours, settings)


def _evaluation(tools: RetrievalTools, data: TaskDataConfig, path: str) -> Evaluate:
    """Return the evaluation of a split, whose captions are read and joined at once, so that an error comes early."""
    pool = _pool(path, data, data.evaluate, data.evaluate_limit)

    def evaluate(model: nn.Module) -> Iterable[tuple[str, float]]:
        assert isinstance(model, ViLBERT)
        found = retrieve_captioned(model, tools, path, pool.captioned, EvaluationSettings(), pool.joined)
        return found.values.items()

    return evaluate


def load_tools(config: RunConfig, tokenizer: Tokenizer, read: Callable[[str], bytes]) -> RetrievalTools:
    """Return what evaluations of a checkpoint need; none of its attachments, which `read` returns."""
    data = task_data_config(config)
    return RetrievalTools(tokenizer, data.tokens, data.regions)
