"""Writes the model of a checkpoint, or of a model folder, in the layout of transformers or of open_clip."""

from dataclasses import dataclass

from corpusloom.schemas import storage
from corpusloom.trainers import registry
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.training.hub.folders import check_new, is_model_folder


@dataclass(frozen=True, slots=True)
class Exported:
    """Result of an export."""

    family: str
    step: int | None
    """Updates of the checkpoint; None for a model folder."""
    parameters: int
    files: tuple[str, ...]


def export_model(path: str, layout: str, out: str) -> Exported:
    """Write the model of a checkpoint, of a run's newest one or of a model folder into the new folder `out`.

    Moving averages of the weights are written instead of the weights, if the run kept them.
    """
    check_new(out)
    step = None
    if is_model_folder(path):
        name, model, attachments = registry.read_model(path)
    else:
        folder = folders.find(path)
        commit = folders.read_commit(folder)
        model, config = registry.load_model(folder)
        names = set(commit["files"]) - set(folders.shards_of(commit)) - {folders.CONFIG, folders.STREAM}
        attachments = {name: folders.read_file(folder, name, commit) for name in sorted(names)}
        name, step = config.family, int(commit["step"])
    registry.family(name).export(model, attachments, layout, out)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Exported(name, step, parameters, tuple(storage.listing(out)))
