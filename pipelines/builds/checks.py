"""Checks of a build before its first stage: what would stop it later, after hours of work, is refused at once."""

import json
from collections.abc import Sequence
from typing import Any

from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.dedup.evaluation_sets import set_files
from corpusloom.pipelines.recipes.measuring import load_entries, load_sites
from corpusloom.pipelines.recipes.recipe import config_json
from corpusloom.pipelines.recipes.rewriting import check_rewriting
from corpusloom.pipelines.store.images.blocklists import check_entries, parse_entry
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, LoomError
from corpusloom.schemas.layout import MANIFEST
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import FileEntry

NAMED = 3
"""Keys that an error names, at most."""


def check_files(config: BuildConfig) -> None:
    """Raise an error for a list or set that cannot be read or is missing, or an output folder that is an input."""
    load_entries(config.recipe)
    check_rewriting(config.recipe)
    load_sites(config.recipe)
    for path in config.recipe.dedup.decontaminate:
        set_files(path)
    for text in config.blocklists:
        kind, _, path = parse_entry(text)
        check_entries(kind, path)
    for path in (*config.warcs, *config.lists, *config.from_img2dataset):
        if path.rstrip("/") == config.out.rstrip("/"):
            raise ConfigError("is an input as well", where=f"--out {config.out}", remedy="give a folder of its own")


def check_images(config: BuildConfig) -> None:
    """Raise an error if images cannot be fetched, stored or scored: a program, a package or a permission is missing."""
    if config.fetcher == "img2dataset":
        from corpusloom.pipelines.stages.fetch.by_img2dataset import find_program

        find_program()
    model = config.recipe.filters.images.nsfw_model
    if model is not None:
        from corpusloom.pipelines.models.scorer_registry import load_scorer

        load_scorer(model)
    storage.check_writable(config.store)


def refuse_other_dataset(config: BuildConfig, inputs: Sequence[FileEntry]) -> None:
    """Raise ConfigError if the output folder holds a finished dataset of another recipe or other inputs.

    A damaged manifest is not refused: the build that made it writes it anew.
    """
    if not storage.exists(storage.join(config.out, MANIFEST)):
        return
    try:
        found = read_manifest(config.out)
    except LoomError:
        return
    own = config_json(config.recipe)
    if found.recipe != config.recipe.name:
        what = f"a finished dataset of the recipe {found.recipe}, not {config.recipe.name}"
    elif found.config != own:
        what = (
            f"a finished dataset of the recipe with other keys: {_differing(json.loads(found.config), json.loads(own))}"
        )
    elif {entry.sha256 for entry in found.inputs} != {entry.sha256 for entry in inputs}:
        what = "a finished dataset of other inputs"
    elif config.shards not in (None, found.shard_count):
        what = f"a finished dataset of {found.shard_count} shards, not {config.shards}"
    else:
        return
    raise ConfigError(f"holds {what}", where=config.out, remedy="give another --out, or delete the folder")


def _differing(a: dict[str, Any], b: dict[str, Any]) -> str:
    """Return the first keys whose values differ between two configurations."""
    one, two = _flat(a), _flat(b)
    names = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one table of dotted paths."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
