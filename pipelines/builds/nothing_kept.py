"""Explains a run that kept nothing: the commonest reasons, and what would change the commonest one."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from corpusloom.pipelines.recipes.deciding import image_count_rules, image_rules
from corpusloom.pipelines.recipes.keys import keys_of
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.kinds.registry import is_derived, kind_of
from corpusloom.schemas.errors import NothingKeptError
from corpusloom.schemas.records import StageCounts

MOST = 3
"""Reasons that are named."""
_COLUMN = "name another column with --caption-column"
_HASH = "name another column of hashes in hex, and its type, with --verify-hash COLUMN:md5"
_FACES = "images.face_boxes names a column of [[left, top, right, bottom], ...] in shares of the sides, 0 to 1"
_CELLS = "quote cells that hold separators, quotes or line breaks, or write the list as JSONL or Parquet"
_OURS = "--allow-addresses NET:PORT allows addresses of your own"
_NETWORK = "check the network and the URLs, then run loom images --store STORE --retry dead"
_NETWORK_OF_SEEDS = "check the network and the seeds, then scrape into another folder"
_OWNERS = "the owners of these sites refuse it: give other inputs, or ask them"
_HTML = "give WARCs that hold HTML pages"
REMEDIES: Mapping[str, str] = {
    "no_url": "name another column with --url-column",
    "url_not_text": "name another column with --url-column",
    "no_caption": _COLUMN,
    "caption_not_text": _COLUMN,
    "caption_without_text": _COLUMN,
    "caption_too_long": _COLUMN,
    "caption_of_nested_markup": _COLUMN,
    "no_hash": _HASH,
    "bad_hash": _HASH,
    "hash_mismatch": "these are other images than those of the list: leave out --verify-hash, or get another list",
    "no_face_boxes": _FACES,
    "bad_face_boxes": _FACES,
    "unreadable_row": "write the list as UTF-8, or name its encoding with --list-encoding",
    "too_many_cells": _CELLS,
    "too_few_cells": _CELLS,
    "unbalanced_quote": _CELLS,
    "address_not_public": _OURS,
    "port_not_allowed": _OURS,
    "robots_disallowed": _OWNERS,
    "robots_unavailable": "run it again later: nothing is fetched while robots.txt cannot be read",
    "crawl_delay_too_long": _OWNERS,
    "dns_failed": _NETWORK,
    "connect_failed": _NETWORK,
    "disconnected": _NETWORK,
    "network_error": _NETWORK,
    "host_unresponsive": _NETWORK,
    "not_html": _HTML,
    "empty_page": _HTML,
    "no_images": "give pages that show images",
    "forgotten": "give inputs that loom forget did not take down",
    "license_unknown": "honour.licenses lists the licences that are kept",
    "license_not_listed": "honour.licenses lists the licences that are kept",
}
"""Reason -> what would change it, for reasons that no threshold sets."""
PREFIXES: Mapping[str, str] = {
    "opt_out": _OWNERS,
    "blocked_": "leave out --blocklist, or give another one",
    "timeout_": _NETWORK,
    "tls_": _NETWORK,
    "http_": "check the URLs: this is what their servers answer",
}
"""Beginning of a reason -> what would change it."""


def refuse_nothing(counts: Iterable[StageCounts], where: str, recipe: Recipe | None = None) -> None:
    """Raise NothingKeptError if a stage kept none of its records; the reasons are those of the first such stage."""
    empty = next((row for row in counts if row.records_in and not row.kept), None)
    if empty is None:
        return
    named = ", ".join(f"{reason} {number:,}" for reason, number in empty.reasons[:MOST])
    more = len(empty.reasons) - MOST
    raise NothingKeptError(
        f"nothing was kept: stage {empty.stage} left out all {empty.records_in:,} records of unit {empty.unit}: {named}"
        + (f" and {more} more reasons" if more > 0 else ""),
        where=where,
        remedy=remedy_of(empty.reasons[0][0], recipe, empty.stage),
    )


def remedy_of(reason: str, recipe: Recipe | None = None, stage: str = "") -> str:
    """Return what would change a reason of a stage: a key of the recipe, or what else is known of it."""
    for path, value in _thresholds(recipe).get(reason, {}).items():
        return f"{path} is {_shown(value)}: change it with --set {path}=..., or turn it off with --set {path}=off"
    by_prefix = (remedy for beginning, remedy in PREFIXES.items() if reason.startswith(beginning))
    remedy = REMEDIES.get(reason) or next(by_prefix, "loom why shows what happened to one URL")
    return _NETWORK_OF_SEEDS if stage == "scrape" and remedy == _NETWORK else remedy


def _shown(value: Any) -> Any:
    """Return a threshold as people write it: a bound's number, a list's values."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return next(iter(dataclasses.asdict(value).values())) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]


def _thresholds(recipe: Recipe | None) -> dict[str, dict[str, Any]]:
    """Return reason -> {key: value} of the thresholds without which a recipe has no rule for that reason."""
    found: dict[str, dict[str, Any]] = {}
    if recipe is None or is_derived(recipe):
        return found
    reasons = _reasons(recipe)
    for key in keys_of(Recipe):
        names = key.path.split(".")
        value = _value(recipe, names)
        if key.table is None and key.is_threshold and value not in (None, key.default):
            for reason in reasons - _reasons(_changed(recipe, names, key.default)):
                found.setdefault(reason, {})[key.path] = value
    return found


def _reasons(recipe: Recipe) -> set[str]:
    """Return the reasons of all rules of a recipe."""
    rules = (*kind_of(recipe).rules(recipe), *image_rules(recipe), *image_count_rules(recipe))
    return {rule.reason for rule in rules}


def _value(config: Any, names: list[str]) -> Any:
    for name in names:
        config = None if config is None else getattr(config, name)
    return config


def _changed(config: Any, names: list[str], value: Any) -> Any:
    """Return a configuration with another value at a path."""
    if len(names) > 1:
        value = _changed(getattr(config, names[0]), names[1:], value)
    return dataclasses.replace(config, **{names[0]: value})
