"""Writes the documents of a dataset: croissant.json for programs, README.md for people."""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.pipelines.store.dataset import columns, origins
from corpusloom.pipelines.store.dataset.croissant import CROISSANT, description_of, to_croissant
from corpusloom.pipelines.store.dataset.origins import PROVENANCE, Crawler
from corpusloom.schemas import storage, tables
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import FileEntry, StageCounts

CARD = "README.md"

_CARD = """---
{head}
---
# {name}

{description}. Made with corpusloom; digest `{digest}`.

## Reading it

```python
from corpusloom import StreamingDataset

for sample in StreamingDataset("."):
    sample.key
```

{hugging_face}The tars have the layout of WebDataset. Beside each is a Parquet file with one row per sample: URLs,
sizes, hashes, language, licence, scores, and the offset of every member. `loom verify .` checks that every file is as
it was written; `loom why . URL` shows why a page or an image is not in the dataset.

## What was kept, and what was not

{funnel}

Each record that was not kept is one row in `ledger/`, with its reason; `scores/` has the values that filters measured.

## Where it comes from

{sources}

## Whose content it is

Texts and images belong to their authors and keep their licences (column `license`, if the page names one).
{wishes}Fetched {days}.
{model}
## Configuration

```json
{config}
```
"""
_HUGGING_FACE = """```python
from datasets import load_dataset

load_dataset("FOLDER", split="train", streaming=True)  # the folder of this file; one column per member
```

The head of this file declares the columns. A bare `load_dataset("webdataset", data_files=...)` does not read it: it
takes the columns of the first five samples for all, so it needs images of one format (`--set images.format=jpg`).

"""


def document(
    dataset: str, manifest: Manifest, *, fetched_in: str | None = None, model_card: str | None = None
) -> Manifest:
    """Write a dataset's croissant.json and README.md; return the manifest with their entries.

    `fetched_in` is the dataset whose provenance has the fetch times; None if it is this one. `model_card` is that of
    the model whose outputs the samples have.
    """
    days, stated = fetch_days(fetched_in or dataset), origins.crawlers(dataset)
    fields = columns.member_fields(dataset, manifest)
    texts = {CARD: to_card(manifest, days, stated, fields, model_card), CROISSANT: to_croissant(manifest, days, stated)}
    entries = tuple(_write(dataset, name, text.encode()) for name, text in sorted(texts.items()))
    return dataclasses.replace(manifest, documents=entries)


def fetch_days(dataset: str) -> tuple[str, str] | None:
    """Return the first and the last day on which pages of a dataset were fetched, as YYYY-MM-DD; None if unknown."""
    path = storage.join(dataset, PROVENANCE)
    if not storage.exists(path):
        return None
    column = tables.read_table(path, ["fetched_at"])["fetched_at"]
    found = pc.min_max(column.cast(pa.string()))
    first, last = found["min"].as_py(), found["max"].as_py()
    return (first[:10], last[:10]) if first else None


def to_card(
    manifest: Manifest,
    days: tuple[str, str] | None,
    stated: Counter[Crawler] | None = None,
    fields: Sequence[str] = (),
    model_card: str | None = None,
) -> str:
    """Return the dataset card.

    Args:
      manifest: The dataset's manifest.
      days: First and last day of fetching, as YYYY-MM-DD.
      stated: What the WARCs state about their crawlers, with the number of WARCs.
      fields: Fields that occur among the members of the samples.
      model_card: Model card of the model whose outputs the samples have.
    """
    config = json.loads(manifest.config)
    wishes = origins.opt_outs(manifest, (config.get("honour") or {}).get("signals", []))
    name = f"corpusloom {manifest.recipe}"
    return _CARD.format(
        head=_head(manifest, name, fields),
        name=name,
        description=description_of(manifest),
        digest=manifest.digest,
        hugging_face=_HUGGING_FACE if fields else "",
        funnel=_table(manifest.counts),
        sources="\n".join(f"- {line}" for line in origins.describe(manifest, stated or Counter())),
        wishes=f"{wishes}\n" if wishes else "",
        model=f"\n## Model card of the detector\n\n{model_card.strip()}\n" if model_card else "",
        days="on days that are not on record" if days is None else f"from {days[0]} to {days[1]}",
        config=json.dumps(config, indent=1, sort_keys=True, ensure_ascii=False),
    )


def _head(manifest: Manifest, name: str, fields: Sequence[str]) -> str:
    """Return the card's metadata. The values are JSON, which YAML includes; one line per column."""
    values: dict[str, Any] = {"pretty_name": name, "tags": ["webdataset", "croissant", manifest.kind]}
    if fields:
        files = [{"split": "train", "path": "*.tar"}]
        values["configs"] = [{"config_name": "default", "data_files": files}]
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    if fields:
        declared = columns.declare(manifest.kind, fields)
        lines += ["dataset_info:", "  features:", *(f"  - {json.dumps(column)}" for column in declared)]
    return "\n".join(lines)


def _table(counts: tuple[StageCounts, ...]) -> str:
    lines = ["| stage | unit | in | kept | rejected | dead | reasons |", "|---|---|---|---|---|---|---|"]
    for row in counts:
        why = ", ".join(f"{reason} {count:,}" for reason, count in row.reasons)
        numbers = (row.records_in, row.kept, sum(row.rejected.values()), sum(row.dead.values()))
        lines.append(f"| {row.stage} | {row.unit} | {' | '.join(f'{number:,}' for number in numbers)} | {why} |")
    return "\n".join(lines)


def _write(dataset: str, name: str, data: bytes) -> FileEntry:
    storage.write_bytes(storage.join(dataset, name), data)
    return FileEntry(name=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
