"""Finds the foreign tars to index, from paths, globs, braces, and energon's folders with their splits."""

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from braceexpand import braceexpand

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError

ENERGON = ".nv-meta"
MAX_TARS = 1 << 20
"""Largest number of tars in one index."""
_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True, slots=True)
class ForeignTar:
    """One tar that another program made."""

    path: str
    split: str = "train"
    excluded: frozenset[str] = frozenset()
    """Keys that the tar's own dataset excludes."""


def find_tars(inputs: Sequence[str]) -> list[ForeignTar]:
    """Return the tars that paths, globs, `{00000..00099}` braces and folders name, each once, in that order.

    A folder that `energon prepare` wrote gives the tars, splits and exclusions of its split.yaml; any other folder
    gives its tars sorted by name.
    """
    found: dict[str, ForeignTar] = {}
    for text in inputs:
        for tar in _expand(text):
            if found.setdefault(tar.path, tar) != tar:
                raise InputError("the tar is named twice, in different splits", where=tar.path)
            if len(found) > MAX_TARS:
                raise InputError(f"more than {MAX_TARS} tars", where=text)
    return list(found.values())


def _expand(text: str) -> Iterator[ForeignTar]:
    if storage.exists(storage.join(text, ENERGON, "split.yaml")):
        yield from _energon(text)
        return
    for pattern in [text] if storage.exists(text) else _braces(text):
        paths = [path for path in storage.expand(pattern) if path.endswith(".tar")]
        if not paths:
            raise InputError("no .tar there", where=pattern, remedy="decompress .tar.gz files: they have no ranges")
        yield from map(ForeignTar, paths)


def _braces(text: str) -> Iterator[str]:
    try:
        yield from braceexpand(text)
    except ValueError as error:
        raise InputError(f"unbalanced braces: {error}", where=text) from error


def _energon(folder: str) -> Iterator[ForeignTar]:
    """Yield the tars of an energon dataset: split_parts of split.yaml, without `exclude` (tars, and TAR/KEY)."""
    where = storage.join(folder, ENERGON, "split.yaml")
    try:
        parsed: Any = yaml.safe_load(storage.read_bytes(where))
        parts: Mapping[str, list[str]] = parsed["split_parts"]
        excluded = [str(name) for name in parsed.get("exclude") or []]
        named = [(split, name) for split, patterns in parts.items() for text in patterns for name in _braces(text)]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"not energon's split.yaml: {error}", where=where, remedy="run energon prepare") from error
    counts = _shard_counts(folder)
    for split, name in named:
        if split not in _SPLITS:
            raise InputError(f"unknown split {split!r}", where=where, remedy="use train, val or test")
        if name in excluded or (counts and name not in counts):
            continue
        if posixpath.isabs(name) or ".." in name.split("/"):
            raise InputError(f"tar {name!r} lies outside the dataset", where=where)
        keys = frozenset(entry[len(name) + 1 :] for entry in excluded if entry.startswith(f"{name}/"))
        yield ForeignTar(storage.join(folder, name), _SPLITS[split], keys)


def _shard_counts(folder: str) -> Mapping[str, int]:
    """Return energon's own counts, tar -> samples; empty without a .info.json."""
    where = storage.join(folder, ENERGON, ".info.json")
    if not storage.exists(where):
        return {}
    try:
        counts = json.loads(storage.read_bytes(where))["shard_counts"]
        return {str(name): int(count) for name, count in counts.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"not energon's .info.json: {error}", where=where, remedy="run energon prepare") from error
