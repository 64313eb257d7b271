"""The loss of a downstream task: the mean over a step's annotations of the task's own loss."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from corpusloom.trainers.training.batches import counted_rows
from corpusloom.trainers.training.numerics import at_least_float32
from corpusloom.trainers.training.task import Loss, StepContext
from corpusloom.trainers.vilbert.downstream.model import INPUTS, SEGMENTS
from corpusloom.trainers.vilbert.downstream.task import DownstreamTask
from corpusloom.trainers.vilbert.objective import without_padding


class TaskObjective:
    """One loss per step."""

    def __init__(self, task: DownstreamTask) -> None:
        self.task = task

    def prepare(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the batch as it is: no loss needs another row."""
        return batch

    def counts(self, batch: Mapping[str, Any]) -> dict[str, float]:
        """Return the number of annotations."""
        return {"annotations": counted_rows(batch)}

    def losses(
        self, model: nn.Module, batch: Mapping[str, Any], totals: Mapping[str, float], context: StepContext
    ) -> Iterator[Loss]:
        """Yield the loss of a batch."""
        rows = counted_rows(batch)
        logits = predict(model, batch)[:rows]
        counted = {name: value[:rows] for name, value in batch.items()}
        losses, scores = self.task.losses(logits, counted), self.task.scores(logits.detach(), counted)
        metrics = {"task_loss": (losses.detach().sum(), rows), "right": (scores.sum(), rows)}
        yield Loss(losses.sum() / max(totals["annotations"], 1), metrics)


def predict(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
    """Return a task model's logits of a batch, float32 or more precise; features are stored as float16.

    Columns of the texts that are padding in all rows are left out.
    """
    dtype = next(model.parameters()).dtype
    inputs = {name: batch[name].to(dtype) if batch[name].is_floating_point() else batch[name] for name in INPUTS}
    tokens, mask = without_padding(batch["tokens"], batch["token_mask"])
    segments = batch[SEGMENTS][..., : tokens.shape[-1]] if SEGMENTS in batch else None
    return at_least_float32(model(**inputs | {"tokens": tokens, "token_mask": mask}, segments=segments))
