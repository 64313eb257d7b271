"""Evaluates a task model on annotations: figures, and the outputs as a submission takes them."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from corpusloom.trainers.evaluation.batches import EvaluationSettings, Figures, measure_batches
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.training.batches import to_device
from corpusloom.trainers.vilbert.config import ViLBERTConfig
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig
from corpusloom.trainers.vilbert.downstream.ground_truth import EVALUATED, open_ground_truth
from corpusloom.trainers.vilbert.downstream.join import JoinedAnnotations
from corpusloom.trainers.vilbert.downstream.objective import predict
from corpusloom.trainers.vilbert.downstream.task import DownstreamTask
from corpusloom.trainers.vilbert.downstream.transform import TaskTransform


@dataclass(frozen=True, slots=True)
class TaskTools:
    """Vocabulary, data configuration and task of a model that is evaluated."""

    tokenizer: Tokenizer
    data: TaskDataConfig
    task: DownstreamTask


def measure_annotations(
    model: nn.Module,
    shape: ViLBERTConfig,
    tools: TaskTools,
    path: str,
    joined: JoinedAnnotations,
    settings: EvaluationSettings,
) -> Figures:
    """Return the figures of a model on annotations of the images of a dataset of regions.

    Annotations without an image count nowhere; a note and the figure `left_out` say how many there are.
    """
    device = next(model.parameters()).device
    ground_truth, lacking = open_ground_truth(tools.data.ground_truth if shape.task in EVALUATED else None, joined)
    transform = TaskTransform(tools.tokenizer, tools.data, shape, tools.task, ground_truth)

    def measure(rows: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Tensor]:
        stacked = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
        batch = to_device(stacked, device)
        return {"number": batch["number"], **tools.task.measure(predict(model, batch), batch)}

    with ExitStack() as closing:
        source = dataset_source([path], transform, closing, limit=settings.limit, annotated=joined.rows)
        found = measure_batches(source, measure, settings, device)
    by_number = {item.number: item for item in joined.annotations}
    figures = tools.task.figures([by_number[number] for number in found.tensors["number"].tolist()], found)
    values = {**figures.values, "skipped": float(len(found.skipped)), "left_out": float(joined.left_out)}
    notes = (*joined.notes, *lacking, *figures.notes)
    return replace(figures, values=values, skipped=found.skipped, reused=found.reused, notes=notes)
