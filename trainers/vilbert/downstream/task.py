"""The interface of a downstream task: targets of an annotation, loss of the head's logits, figures of an evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from corpusloom.trainers.evaluation.batches import Figures
from corpusloom.trainers.evaluation.finished import Measured
from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.vilbert.downstream.texts import ModelText


class ImageAnnotation(Protocol):
    """Interface of an annotation of an image."""

    @property
    def key(self) -> str:
        """Key among all annotations of the task."""

    @property
    def image(self) -> str | int:
        """Name of the image without its ending, or the number at the end of this name."""

    @property
    def alias(self) -> str | None:
        """Another name of the image, under which a dataset may have it."""


class TaskAnnotation(ImageAnnotation, Protocol):
    """Interface of an annotation of any task."""

    @property
    def number(self) -> int:
        """Number among the annotations of the files, from 0."""

    @property
    def text(self) -> ModelText:
        """Text that stands beside the image, or the texts among which the model chooses."""

    @property
    def split(self) -> str:
        """Name of the split of the annotation."""

    @property
    def labelled(self) -> bool:
        """Return whether the right answer is known."""


class DownstreamTask(Protocol):
    """One task. Shapes: B rows, R regions without IMG."""

    @property
    def choices(self) -> int | None:
        """Texts of an annotation among which the model chooses; None: an annotation has one text."""

    def targets(self, annotation: Any, sample: RegionsSample) -> Mapping[str, np.ndarray]:
        """Return the arrays of one row that `losses` and `measure` need."""

    def example(self, rows: int) -> Mapping[str, Tensor]:
        """Return the same arrays for `rows` rows, of zeros."""

    def losses(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the loss of each row, (B,); logits are float32 or more precise."""

    def scores(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Return how right the model's choice is in each row, (B,) from 0 to 1."""

    def measure(self, logits: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what `figures` needs of each row, (B, ...)."""

    def figures(self, annotations: Sequence[Any], found: Measured) -> Figures:
        """Return the figures and the submission; `found` has `measure`'s tensors and `number`, of which annotation."""

    def figure_names(self) -> tuple[str, ...]:
        """Return the names of the figures."""
