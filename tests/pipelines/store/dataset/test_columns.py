"""The declared columns are those of the samples that builds write: every JSON key, one type each, null allowed."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.store.dataset.columns import JSON_TYPES, JsonType, declare, member_fields
from corpusloom.pipelines.store.dataset.samples import StoredImage, interleaved_sample, pair_sample
from corpusloom.schemas import arrow
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import Block, ImageFacts, ImageRecord, ImageRef, Page, Pair, Regions, VideoClip
from tests.trainers.stream.datasets import make_dataset, make_image, make_pairs

REF = ImageRef(url="http://a.example/i.png", alt_text=None)
FACTS = ImageFacts(
    sha256="0" * 64, width=3, height=2, format="png", size=1, dhash="", phash="", grid=b"", gray_std=1.0,
    colour_range=1.0,
)  # fmt: skip
IMAGE = StoredImage(REF, ImageRecord(key="k", url=REF.url, outcome="kept"), FACTS, b"x", "png")
PAGE = Page(
    key="p", url="http://a.example/", canonical_url="http://a.example/", fetched_at="",
    blocks=(Block(kind="paragraph", text="t"), Block(kind="image", image=REF)),
)  # fmt: skip
PAIR = Pair(key="q", parent="p", page_url="", image_url=REF.url, text="t", text_source="caption")
REGIONS = Regions(
    key="q", parent="q", image_sha256="", image_width=1, image_height=1, count=1, feature_width=1, class_count=1,
    detector="d",
)  # fmt: skip
CLIP = VideoClip(
    key="c", parent="v", video_url="", video_sha256="", text="t", text_source="title", start=0.0, end=2.0, fps=1.0,
    frames=2, frame_times=(0.0, 1.0),
)  # fmt: skip
PAIR_JSON = json.loads(pair_sample(PAIR, IMAGE).fields["json"])
WRITTEN = {
    "pairs": PAIR_JSON,
    "interleaved": json.loads(interleaved_sample(PAGE, {0: IMAGE}).fields["json"]),
    "regions": PAIR_JSON | {"regions": arrow.to_plain(REGIONS)},
    "clips": arrow.to_plain(CLIP),
}


def check(value: Any, kind: JsonType) -> None:
    """Check that a JSON value has a declared type, with all its keys and no other."""
    if value is None:
        return
    if isinstance(kind, dict):
        assert set(value) == set(kind)
        for name, part in kind.items():
            check(value[name], part)
    elif isinstance(kind, list):
        for item in value:
            check(item, kind[0])
    else:
        assert type(value) is {"string": str, "int64": int, "float64": float}[kind]


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_key_that_a_build_writes_is_declared_with_its_type(kind: str) -> None:
    check(WRITTEN[kind], JSON_TYPES[kind])
    assert set(JSON_TYPES) == set(WRITTEN)


def test_a_column_per_member_and_the_lists_in_the_words_of_a_card() -> None:
    found = {column.pop("name"): column for column in declare("interleaved", ["000.jpg", "json"])}
    assert found["__key__"] == found["__url__"] == {"dtype": "string"}
    assert found["000.jpg"] == {"dtype": "image"}
    (json_column,) = (found["json"]["struct"],)
    keys = {key["name"]: key for key in json_column}
    assert keys["texts"] == {"name": "texts", "list": "string"}
    assert {"name": "width", "dtype": "int64"} in keys["image_info"]["list"]
    (arrays,) = (column for column in declare("regions", ["regions.npz"]) if column["name"] == "regions.npz")
    assert arrays["struct"][0] == {"name": "boxes", "list": {"list": "float32"}}
    assert declare("pairs", ["txt"])[-1] == {"name": "txt", "dtype": "string"}


def test_fields_are_those_of_all_shards(tmp_path: Path) -> None:
    samples = make_pairs(8)
    samples += [(f"{'f' * 31}{n}", {"png": make_image(n, format="PNG"), "txt": b"t", "json": b"{}"}) for n in range(2)]
    dataset = make_dataset(tmp_path / "data", "pairs", samples, shards=4)
    assert member_fields(dataset, read_manifest(dataset)) == ["jpg", "json", "png", "txt"]
