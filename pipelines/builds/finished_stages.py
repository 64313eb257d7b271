"""Finds finished stages of a work folder without their inputs, for `--from pages`."""

import json
from typing import Any

from corpusloom.pipelines.store.stages import COMMIT, DELETE_STAGE, Stage
from corpusloom.schemas import arrow, storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.guards import json_files
from corpusloom.schemas.records import FileEntry


def finished_stages(work: str, name: str) -> list[tuple[Stage, dict[str, Any]]]:
    """Return the committed stages of a name, each with the content of its stage.json, in order of their folders."""
    try:
        paths = storage.expand(storage.join(work, "stages", f"{name}-*", COMMIT))
    except InputError:
        return []
    found = []
    for path in paths:
        values = json_files.read_object(path, DELETE_STAGE, {"depends_on": dict, "fingerprint": str, "facts": dict})
        depends = json.dumps(values["depends_on"], sort_keys=True, separators=(",", ":"))
        folder = path.rpartition("/")[0]
        found.append((Stage(name=name, folder=folder, fingerprint=values["fingerprint"], depends_on=depends), values))
    return found


INPUT_SETTINGS = ("columns", "store")
"""Read settings of inputs other than WARCs. If none are asked for, those of the finished stage hold."""


def extracted_inputs(work: str, version: int, read: dict[str, Any]) -> tuple[list[FileEntry], dict[str, Any]]:
    """Return the inputs and the read settings of the finished extract stage of this version with these read settings.

    The measure settings of the stage do not matter. InputError if there is no such stage, ConfigError if there are
    several and their inputs differ.
    """
    asked = json.loads(json.dumps(read))
    fitting = {}
    for _, values in finished_stages(work, "extract"):
        inputs = values["depends_on"]["inputs"]
        given = {name: inputs["read"][name] for name in INPUT_SETTINGS if name in inputs["read"]}
        if values["depends_on"]["version"] == version and inputs["read"] == given | asked:
            fitting[json.dumps([inputs["warcs"], given])] = values["facts"]["warcs"], inputs["read"]
    if not fitting:
        raise InputError(
            "holds no finished pages that this recipe can use",
            where=work,
            remedy="give the --work folder of an earlier build, or the WARCs as --warc",
        )
    if len(fitting) > 1:
        raise ConfigError(
            f"holds pages of {len(fitting)} different inputs", where=work, remedy="give one of them as --warc instead"
        )
    ((rows, settings),) = fitting.values()
    return [arrow.from_plain(FileEntry, row) for row in rows], settings
