"""Damage of a dataset as `verify` finds it, with its text and remedy for the command line."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from corpusloom.schemas import layout

REINDEX = "fetch the tar again; if it was meant to change, run loom index again"


class DamageKind(StrEnum):
    """Kind of damage. The values are stable: they are the `kind` of `loom verify --json`."""

    MISSING_FILE = "missing_file"
    WRONG_SIZE = "wrong_size"
    WRONG_HASH = "wrong_hash"
    UNREADABLE_FILE = "unreadable_file"
    FOREIGN_FILE = "foreign_file"
    """A tar in the folder that the manifest does not list; a reader that lists the folder would train on it."""
    WRONG_ROW_COUNT = "wrong_row_count"
    WRONG_ROWS = "wrong_rows"
    WRONG_HEADER = "wrong_header"
    """The tar has no header of the member at the offset in the sidecar."""
    WRONG_MEMBER = "wrong_member"
    TAR_DIFFERS = "tar_differs"
    """The contents of an indexed tar differ from its index."""
    DUPLICATE_KEY = "duplicate_key"
    MISPLACED_KEY = "misplaced_key"
    """A key that belongs to another shard."""
    UNACCOUNTED = "unaccounted"
    """Input records of a stage that are neither kept, rejected nor dead."""
    COUNT_GAP = "count_gap"
    """The number of a stage's input records differs from the number that the stage before it kept."""
    WRONG_SAMPLE_COUNT = "wrong_sample_count"
    WRONG_LEDGER_COUNT = "wrong_ledger_count"
    WRONG_DIGEST = "wrong_digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One difference between a dataset and its manifest."""

    kind: DamageKind
    where: str
    """Name of the file inside the dataset."""
    shard: int | None = None
    """Number of the damaged shard; None if the damage is not within a shard."""
    subject: str = ""
    """The damaged part of the file (a member, a key, a stage), or a reader's error message."""
    found: int | None = None
    """Bytes, rows or records in the dataset."""
    expected: int | None = None
    """Bytes, rows or records in the manifest."""
    remedy: str = ""
    """Remedy other than a repair; empty if `loom verify --repair` can write the file again."""


_TEXTS = {
    DamageKind.MISSING_FILE: "is missing",
    DamageKind.WRONG_SIZE: "has {found} bytes, not {expected}",
    DamageKind.WRONG_HASH: "does not hold the bytes that were written (sha256 differs)",
    DamageKind.UNREADABLE_FILE: "{subject}",
    DamageKind.FOREIGN_FILE: "is not in the manifest",
    DamageKind.WRONG_ROW_COUNT: "has {found} rows, not {expected}",
    DamageKind.WRONG_ROWS: "does not hold the rows that were written",
    DamageKind.WRONG_HEADER: "no header of {subject} before byte {expected}",
    DamageKind.WRONG_MEMBER: "the bytes of {subject} are not those of its sidecar row",
    DamageKind.TAR_DIFFERS: "{subject}",
    DamageKind.DUPLICATE_KEY: "key {subject} occurs twice in the dataset",
    DamageKind.MISPLACED_KEY: "key {subject} does not belong to this shard",
    DamageKind.UNACCOUNTED: "{found} records of {subject} are unaccounted for",
    DamageKind.COUNT_GAP: "{subject}",
    DamageKind.WRONG_SAMPLE_COUNT: "its shards hold {found} samples, not {expected}",
    DamageKind.WRONG_LEDGER_COUNT: "{found} rows of {subject}, the manifest counts {expected}",
    DamageKind.WRONG_DIGEST: "the digest is not that of its entries",
}


def describe(damage: Damage) -> str:
    """Return the text of a damage, without the name of the file."""
    return _TEXTS[damage.kind].format(subject=damage.subject, found=damage.found, expected=damage.expected)


def remedy_of(damage: Damage, dataset: str) -> str:
    """Return the text of the remedy for a damage."""
    if damage.remedy:
        return damage.remedy
    what = f"shard {layout.shard_stem(damage.shard)} alone" if damage.shard is not None else "it"
    return f"loom verify {dataset} --repair writes {what} again"


def to_json(damages: Iterable[Damage], dataset: str) -> str:
    """Return damages as the JSON of `loom verify --json`."""
    rows = [
        {
            "kind": damage.kind.value,
            "where": damage.where,
            "shard": damage.shard,
            "what": describe(damage),
            "remedy": remedy_of(damage, dataset),
        }
        for damage in damages
    ]
    return json.dumps({"whole": not rows, "damage": rows}, indent=1)
