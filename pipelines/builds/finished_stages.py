"""Finished stages of a work folder, found again without their inputs: `--from pages` decides once more from scores."""

import json
from typing import Any

from corpusloom.pipelines.store.stages import COMMIT, Stage
from corpusloom.schemas import arrow, storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.records import FileEntry


def finished_stages(work: str, name: str) -> list[tuple[Stage, dict[str, Any]]]:
    """Return the committed stages of a name with what their stage.json says, in order of their folders."""
    try:
        paths = storage.expand(storage.join(work, "stages", f"{name}-*", COMMIT))
    except InputError:
        return []
    found = []
    for path in paths:
        values = json.loads(storage.read_bytes(path))
        depends = json.dumps(values["depends_on"], sort_keys=True, separators=(",", ":"))
        folder = path.rpartition("/")[0]
        found.append((Stage(name=name, folder=folder, fingerprint=values["fingerprint"], depends_on=depends), values))
    return found


def extracted_inputs(work: str, version: int, read: dict[str, Any]) -> list[FileEntry]:
    """Return the inputs of the finished extract stage whose records a recipe can be decided from again.

    It must have been made by this version and its records read as the recipe asks; how they were measured does not
    matter. ConfigError where stages of different inputs fit (say which), InputError where none does.
    """
    asked = json.loads(json.dumps(read))
    fitting = {
        json.dumps(values["depends_on"]["inputs"]["warcs"]): values["facts"]["warcs"]
        for _, values in finished_stages(work, "extract")
        if values["depends_on"]["version"] == version and values["depends_on"]["inputs"]["read"] == asked
    }
    if not fitting:
        raise InputError(
            "holds no finished pages that were read as this recipe asks",
            where=work,
            remedy="name the --work folder of an earlier build, or the WARCs with --warc",
        )
    if len(fitting) > 1:
        raise ConfigError(
            f"holds pages of {len(fitting)} different inputs", where=work, remedy="say which with --warc instead"
        )
    (inputs,) = fitting.values()
    return [arrow.from_plain(FileEntry, row) for row in inputs]
