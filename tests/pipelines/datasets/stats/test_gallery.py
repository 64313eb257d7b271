"""The samples in a report: pages in reading order, pairs with their caption, both cut to a limit."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.stats.gallery import gallery, shorten, show
from corpusloom.schemas import tables
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import SidecarRow
from tests.trainers.stream.datasets import make_dataset, make_image, make_pairs

KEY = "0" * 32


def page(texts: list[str | None], images: list[str | None], files: dict[str, bytes]) -> tuple[str, dict[str, bytes]]:
    body = {"texts": texts, "images": [name and f"{KEY}.{name}" for name in images]}
    return KEY, {**files, "json": json.dumps(body).encode()}


def shown_page(tmp_path: Path, sample: tuple[str, dict[str, bytes]]) -> tuple[tuple[str, str], ...]:
    dataset = make_dataset(tmp_path / "data", "interleaved", [sample], shards=1)
    (found,) = gallery(dataset, read_manifest(dataset))
    return found.items


@pytest.mark.parametrize(("length", "cut"), [(220, False), (221, True)])
def test_a_text_is_cut_between_words_beyond_the_limit(length: int, cut: bool) -> None:
    text = ("word " * 50)[: length - 3] + "end"
    assert shorten(text) == (text if not cut else text[:220].rsplit(" ", 1)[0] + " …")
    assert len(shorten(text)) <= 222


def test_a_page_is_shown_in_reading_order(tmp_path: Path) -> None:
    files = {"000.jpg": make_image(1), "001.jpg": b"broken"}
    sample = page(["first", None, None, "last"], [None, "000.jpg", "001.jpg", None], files)
    items = shown_page(tmp_path, sample)
    assert [kind for kind, _ in items] == ["text", "image", "image", "text"]
    assert (items[0][1], items[1][1][:10], items[2][1], items[3][1]) == ("first", "data:image", "", "last")


@pytest.mark.parametrize("texts", [9, 10, 12])
def test_a_long_page_is_cut(tmp_path: Path, texts: int) -> None:
    items = shown_page(tmp_path, page([f"t{n}" for n in range(texts)], [None] * texts, {}))
    expected = [("text", f"t{n}") for n in range(9)]
    if texts > 9:
        expected.append(("text", f"… and {texts - 9} more texts and images"))
    assert list(items) == expected


def test_a_pair_is_image_and_caption(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", "pairs", make_pairs(3), shards=1)
    found = list(gallery(dataset, read_manifest(dataset)))
    rows = list(tables.read_records(f"{dataset}/00000.parquet", SidecarRow))
    assert [sample.key for sample in found] == [row.key for row in rows]
    assert [sample.url for sample in found] == [row.url for row in rows]
    assert [[kind for kind, _ in sample.items] for sample in found] == [["image", "text"]] * 3
    assert [sample.items[1][1] for sample in found] == [row.caption for row in rows]


def test_as_many_samples_as_asked_for_are_shown(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", "pairs", make_pairs(20), shards=4)
    manifest = read_manifest(dataset)
    assert [len(list(gallery(dataset, manifest, n))) for n in (0, 1, 20, 30)] == [0, 1, 20, 20]
    assert len(list(gallery(dataset, manifest))) == 12


def test_a_sample_of_a_missing_tar_is_left_out(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", "pairs", make_pairs(20), shards=2)
    Path(dataset, "00000.tar").unlink()
    manifest = read_manifest(dataset)
    left = manifest.shards[1].samples
    assert len(list(gallery(dataset, manifest, 100))) == left


def test_the_page_is_named_where_there_is_one(tmp_path: Path) -> None:
    import dataclasses

    dataset = make_dataset(tmp_path / "data", "pairs", make_pairs(1), shards=1)
    row = next(iter(tables.read_records(f"{dataset}/00000.parquet", SidecarRow)))
    with_page = dataclasses.replace(row, page_url="http://page.example/", caption=None)
    shown = show(f"{dataset}/00000.tar", with_page, "pairs")
    assert (shown.url, shown.items[-1]) == ("http://page.example/", ("text", ""))
