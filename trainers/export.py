"""Writes the model of a checkpoint into a folder in the layout of transformers or open_clip."""

from dataclasses import dataclass

from corpusloom.schemas import storage
from corpusloom.trainers import registry
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.training.hub.folders import check_new


@dataclass(frozen=True, slots=True)
class Exported:
    """Result of an export."""

    family: str
    step: int
    parameters: int
    files: tuple[str, ...]


def export_model(path: str, layout: str, out: str) -> Exported:
    """Write the model of a checkpoint, or of a run's newest one, into the new folder `out` in a layout.

    Moving averages of the weights are written instead of the weights, if the run kept them.
    """
    check_new(out)
    folder = folders.find(path)
    commit = folders.read_commit(folder)
    model, config = registry.load_model(folder)
    names = set(commit["files"]) - set(folders.shards_of(commit)) - {folders.CONFIG, folders.STREAM}
    attachments = {name: folders.read_file(folder, name, commit) for name in sorted(names)}
    registry.family(config.family).export(model, attachments, layout, out)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Exported(config.family, int(commit["step"]), parameters, tuple(storage.listing(out)))
