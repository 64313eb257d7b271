"""Column types of a dataset for Hugging Face `datasets`, as the card declares them.

Without a declaration, its webdataset reader takes the columns and JSON keys of the first five samples for all samples,
and refuses or drops a later sample with another image format.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import pyarrow.compute as pc

from corpusloom.schemas import layout, storage, tables
from corpusloom.schemas.manifest import Manifest

JsonType: TypeAlias = "str | list[JsonType] | dict[str, JsonType]"
"""A type: its name, a list of one type, or named values. Every value may be null."""

PAIR: dict[str, JsonType] = {
    **dict.fromkeys(("key", "url", "page_url", "caption", "original_caption", "text_source"), "string"),
    **dict.fromkeys(("status", "error_message"), "string"),
    **dict.fromkeys(("width", "height", "original_width", "original_height", "blurred_faces"), "int64"),
    "sha256": "string",
    "columns": "string",
}
"""Keys of KEY.json of a pair; `columns` is an object as JSON text, since datasets have different ones."""
PAGE: dict[str, JsonType] = {
    "url": "string",
    "title": "string",
    "texts": ["string"],
    "images": ["string"],
    "image_info": [
        {
            **dict.fromkeys(("name", "url", "alt_text", "caption"), "string"),
            **dict.fromkeys(("width", "height"), "int64"),
            "sha256": "string",
        }
    ],
}
"""Keys of KEY.json of an interleaved page."""
REGIONS: dict[str, JsonType] = {
    **PAIR,
    "regions": {
        **dict.fromkeys(("key", "parent", "image_sha256"), "string"),
        **dict.fromkeys(("image_width", "image_height", "count", "feature_width", "class_count"), "int64"),
        "detector": "string",
    },
}
"""Keys of KEY.json of a pair with regions."""
CLIP: dict[str, JsonType] = {
    **dict.fromkeys(
        ("key", "parent", "video_url", "video_sha256", "text", "text_source", "subtitle_language"), "string"
    ),
    **dict.fromkeys(("start", "end", "fps"), "float64"),
    "frames": "int64",
    "frame_times": ["float64"],
}
"""Keys of KEY.json of a video clip."""
JSON_TYPES: Mapping[str, dict[str, JsonType]] = {"pairs": PAIR, "interleaved": PAGE, "regions": REGIONS, "clips": CLIP}
"""Kind of a dataset -> keys of its samples' JSON with their types."""
_MATRIX: JsonType = [["float32"]]
ARRAYS: dict[str, JsonType] = dict.fromkeys(("boxes", "features", "class_probs"), _MATRIX)
"""Arrays of regions.npz. Half-precision numbers are read as float32, which all versions of the reader can store."""


def member_fields(dataset: str, manifest: Manifest) -> list[str]:
    """Return the fields that occur among the members of a dataset's samples, sorted."""
    found: set[str] = set()
    for shard in manifest.shards:
        table = tables.read_table(storage.join(dataset, shard.sidecar.name), ["members"])
        fields = pc.list_flatten(table["members"].combine_chunks()).field("field")
        found.update(fields.unique().to_pylist())
    return sorted(found)


def declare(kind: str, fields: Iterable[str]) -> list[dict[str, Any]]:
    """Return the columns of a dataset with these members, as `dataset_info.features` of a card."""
    columns = [{"name": name, "dtype": "string"} for name in ("__key__", "__url__")]
    return [*columns, *({"name": field, **_declared(_type_of(kind, field))} for field in fields)]


def _type_of(kind: str, field: str) -> JsonType:
    match layout.extension_of(field):
        case "json":
            return JSON_TYPES[kind]
        case "npz":
            return ARRAYS
        case "txt":
            return "string"
    return "image"


def _declared(kind: JsonType) -> dict[str, Any]:
    """Return a type in the words of a card: dtype, list or struct."""
    if isinstance(kind, dict):
        return {"struct": [{"name": name, **_declared(part)} for name, part in kind.items()]}
    if isinstance(kind, list):
        inner = _declared(kind[0])
        return {"list": inner.get("dtype") or inner.get("struct") or inner}
    return {"dtype": kind}
