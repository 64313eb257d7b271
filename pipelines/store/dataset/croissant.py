"""croissant.json: a dataset described in Croissant 1.1 (MLCommons), with its funnel in the RAI vocabulary.

It depends only on the manifest and on the days on which pages were fetched, so equal builds write equal bytes.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from corpusloom.pipelines.store.dataset import origins
from corpusloom.pipelines.store.dataset.origins import Crawler
from corpusloom.schemas.layout import IMAGE_EXTENSIONS
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import FileEntry, StageCounts

CROISSANT = "croissant.json"
CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
LICENSE = (
    "Each sample keeps its own licence: column license has the one that its page names, and is empty if none is known."
)
_TERMS = (
    "arrayShape citeAs column containedIn equivalentProperty extract field fileProperty fileObject fileSet format "
    "includes isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
}
COLUMNS = {
    "key": ("sc:Text", "Key of the sample: the first part of its members' names"),
    "url": ("sc:URL", "URL of the image of a pair, else of the page"),
    "page_url": ("sc:URL", "URL of the page"),
    "caption": ("sc:Text", "Text of a pair"),
    "text_length": ("sc:Integer", "Characters over all texts of the sample"),
    "images": ("sc:Integer", "Images of the sample"),
    "width": ("sc:Integer", "Pixels of the first image"),
    "height": ("sc:Integer", "Pixels of the first image"),
    "sha256": ("sc:Text", "Hash of the first image as it was fetched"),
    "language": ("sc:Text", "Language of the text by its content"),
    "split": ("sc:Text", "train or val"),
    "license": ("sc:Text", "SPDX name of the licence that the page links"),
}


def to_croissant(manifest: Manifest, days: tuple[str, str] | None, stated: Counter[Crawler] | None = None) -> str:
    """Return croissant.json of a finished dataset.

    Args:
      manifest: The dataset's manifest.
      days: First and last day of fetching, as YYYY-MM-DD.
      stated: What the WARCs state about their crawlers, with the number of WARCs.
    """
    tars = [_file(shard.tar, "application/x-tar") for shard in manifest.shards]
    images = {
        "@id": "images",
        "@type": "cr:FileSet",
        "name": "images",
        "description": "The images in the tars",
        "containedIn": [{"@id": tar["@id"]} for tar in tars],
        "encodingFormat": ["image/jpeg", "image/png", "image/webp"],
        "includes": [f"*.{extension}" for extension in IMAGE_EXTENSIONS],
    }
    sidecars = {
        "@id": "sidecars",
        "@type": "cr:FileSet",
        "name": "sidecars",
        "description": "One Parquet file per tar, with one row per sample",
        "encodingFormat": "application/x-parquet",
        "includes": "[0-9][0-9][0-9][0-9][0-9]*.parquet",
    }
    plain: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "citeAs": f"corpusloom {manifest.recipe}, digest {manifest.digest}",
        "name": f"corpusloom-{manifest.recipe}",
        "description": description_of(manifest),
        "license": LICENSE,
        "url": f"urn:sha256:{manifest.digest}",
        "creator": {"@type": "sc:Organization", "name": "made with corpusloom"},
        "version": f"{manifest.format_version}.0.0",
        "keywords": ["webdataset", manifest.kind, manifest.recipe],
        "distribution": [*tars, images, sidecars] if tars else [sidecars],
        "recordSet": [_samples(), *([_pictures(manifest)] if tars else [])],
        **_responsible(manifest, days, stated or Counter()),
    }
    if days is not None:
        plain["datePublished"] = days[1]
    return json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def description_of(manifest: Manifest) -> str:
    """Return one line that describes a dataset."""
    about = json.loads(manifest.config).get("description") or manifest.recipe
    return f"{about}: {manifest.samples:,} samples of kind {manifest.kind} in {len(manifest.shards)} WebDataset tars"


def funnel_lines(counts: Sequence[StageCounts]) -> list[str]:
    """Return one line per stage and unit: records that went in, records kept, and the reasons for the rest."""
    return [_funnel_line(row) for row in counts]


def _funnel_line(row: StageCounts) -> str:
    why = "".join(f", {reason} {count:,}" for reason, count in row.reasons)
    return f"{row.stage}, {row.unit}: {row.records_in:,} in, {row.kept:,} kept{why}"


def _file(entry: FileEntry, encoding: str) -> dict[str, Any]:
    return {
        "@id": entry.name,
        "@type": "cr:FileObject",
        "name": entry.name,
        "contentUrl": entry.name,
        "contentSize": f"{entry.bytes} B",
        "encodingFormat": encoding,
        "sha256": entry.sha256,
    }


def _samples() -> dict[str, Any]:
    fields = [
        {
            "@id": f"samples/{name}",
            "@type": "cr:Field",
            "name": name,
            "description": about,
            "dataType": kind,
            "source": {"fileSet": {"@id": "sidecars"}, "extract": {"column": name}},
        }
        for name, (kind, about) in COLUMNS.items()
    ]
    about = "What the sidecars say of each sample"
    key = {"@id": "samples/key"}
    return {
        "@id": "samples", "@type": "cr:RecordSet", "name": "samples", "description": about, "key": key, "field": fields,
    }  # fmt: skip


def _pictures(manifest: Manifest) -> dict[str, Any]:
    """Return the record set of the images, with captions if samples have one image each."""
    source = {"fileSet": {"@id": "images"}}
    key = {
        "@id": "pictures/key",
        "@type": "cr:Field",
        "name": "key",
        "description": "Key of the image's sample",
        "dataType": "sc:Text",
        "source": {**source, "extract": {"fileProperty": "filename"}, "transform": {"regex": "([0-9a-f]{32})"}},
    }
    image = {
        "@id": "pictures/image",
        "@type": "cr:Field",
        "name": "image",
        "description": "The image",
        "dataType": "sc:ImageObject",
        "source": {**source, "extract": {"fileProperty": "content"}},
    }
    fields = [key, image]
    if manifest.kind != "interleaved":
        key["references"] = {"fileSet": {"@id": "sidecars"}, "extract": {"column": "key"}}
        fields.append(
            {
                "@id": "pictures/caption",
                "@type": "cr:Field",
                "name": "caption",
                "description": "The image's text",
                "dataType": "sc:Text",
                "source": {"fileSet": {"@id": "sidecars"}, "extract": {"column": "caption"}},
            }
        )
    return {
        "@id": "pictures", "@type": "cr:RecordSet", "name": "pictures", "description": "The images", "field": fields,
    }  # fmt: skip


def _responsible(manifest: Manifest, days: tuple[str, str] | None, stated: Counter[Crawler]) -> dict[str, Any]:
    """Return the RAI properties: how the data was collected, what was left out, and which opt-outs were honoured."""
    config = json.loads(manifest.config)
    wishes = origins.opt_outs(manifest, (config.get("honour") or {}).get("signals", []))
    dead = sum(sum(row.dead.values()) for row in manifest.counts)
    masks = (config.get("filters") or {}).get("pii")
    personal = "Personal data in texts was masked by rules." if masks else "Personal data in texts was not masked."
    if "source" in config:
        personal = "The texts are those of the dataset of pairs."
    found = {
        "rai:dataCollection": " ".join([*origins.describe(manifest, stated), wishes]).strip(),
        "rai:dataCollectionType": origins.collection_types(manifest),
        "rai:dataCollectionMissingData": f"{dead:,} records ended in an error; ledger/ names each.",
        "rai:dataPreprocessingProtocol": funnel_lines(manifest.counts),
        "rai:dataLimitations": ["ledger/ holds what was not kept and why, scores/ the measured values."],
        "rai:personalSensitiveInformation": [personal],
    }
    if days is not None:
        for name in ("Timeframe", "TimeFrame"):  # the spellings of the RAI specification and of mlcroissant 1.1
            found[f"rai:dataCollection{name}"] = list(days)
    return found
