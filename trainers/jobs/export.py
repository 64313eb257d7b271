"""Writes the model of a checkpoint, or of a model folder, in the layout of transformers or of open_clip."""

from collections.abc import Sequence
from dataclasses import dataclass

from corpusloom.schemas import storage
from corpusloom.trainers import registry
from corpusloom.trainers.jobs.interpolate import Interpolation, interpolate
from corpusloom.trainers.training.hub.folders import check_new


@dataclass(frozen=True, slots=True)
class Exported:
    """Result of an export."""

    family: str
    step: int | None
    """Updates of the checkpoint; None for a model folder."""
    parameters: int
    files: tuple[str, ...]


def export_model(
    path: str,
    layout: str,
    out: str,
    *,
    interpolation: Interpolation | None = None,
    assignments: Sequence[str] = (),
) -> Exported:
    """Write the model of a checkpoint, of a run's newest one or of a model folder into the new folder `out`.

    Moving averages of the weights are written instead of the weights, if the run kept them; with `interpolation` a
    mean of these and of the initial weights. `assignments` are KEY=PATH of frozen parts that moved.
    """
    check_new(out)
    opened = registry.open_model(path, assignments)
    if interpolation is not None:
        interpolate(opened.model, opened.attachments, interpolation)
    registry.family(opened.family).export(opened.model, opened.attachments, layout, out)
    parameters = sum(parameter.numel() for parameter in opened.model.parameters())
    return Exported(opened.family, opened.step, parameters, tuple(storage.listing(out)))
