"""Regions of pairs from TSVs: the image is found by its name, the best boxes are kept, each fault has its reason."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.stages.regions.tsv.index_files import write_index
from corpusloom.pipelines.stages.regions.tsv.source import TsvRegions, names_of, output_key
from corpusloom.schemas.records import DetectorOutput, FileEntry
from tests.pipelines.stages.regions.shard_of_pairs import pair
from tests.pipelines.stages.regions.tsv.tsv_maker import BOTTOM_UP, LXMERT, VILBERT, cells, encode, write

COCO = "http://images.example/val2014/COCO_val2014_000000000009.jpg"


def describe(folder: Path, names: list[str], row: dict[str, str], url: str = "", **settings: Any) -> DetectorOutput:
    """Return what a TSV of one row gives for an image whose URL ends in 9 unless `url` says otherwise."""
    path = write(folder / "a.tsv", names, cells("other"), row)
    file = FileEntry(name=str(path), sha256="0" * 64, bytes=1)
    write_index(file, str(folder), ())
    source = TsvRegions(RegionSettings(tsv=(str(path),), **settings), (file,), str(folder))
    (output,) = source.describe([pair(9, url)])
    return output


@pytest.mark.parametrize(
    ("match", "url", "names"),
    [
        ("url", "http://a.example/b/0012.jpg?x=1", ("12",)),
        ("url", "http://a.example/na%20me.png", ("na me",)),
        ("url", COCO, ("COCO_val2014_000000000009", "9")),
        ("url", "http://a.example/", ()),
        ("key", COCO, (f"{9:032x}",)),
        ("columns.image", COCO, ("x7",)),
        ("columns.none", COCO, ()),
    ],
)
def test_the_names_of_an_image(match: str, url: str, names: tuple[str, ...]) -> None:
    assert names_of(pair(9, url, image="x7.jpg"), match) == names


def test_the_best_boxes_above_the_score_are_kept_best_first(tmp_path: Path) -> None:
    row = cells("9", boxes=9)  # scores are .1, .2 ... .9
    for names in (LXMERT, VILBERT):
        output = describe(tmp_path, names, row, min_boxes=1, min_score=0.35, max_boxes=4)
        arrays = np.load(io.BytesIO(output.regions))
        assert arrays["features"][:, 0].tolist() == [8, 7, 6, 5]
        assert arrays["boxes"][0].tolist() == [8, 8, 18, 20]
        assert output.count == 4
    assert describe(tmp_path, LXMERT, row, min_boxes=1, min_score=0.75).count == 2
    assert describe(tmp_path, LXMERT, row, min_boxes=3, min_score=0.75).count == 3


def test_without_scores_the_first_boxes_are_kept_and_there_are_no_probabilities(tmp_path: Path) -> None:
    output = describe(tmp_path, BOTTOM_UP, cells("9", boxes=5), max_boxes=3, min_boxes=1)
    arrays = np.load(io.BytesIO(output.regions))
    assert arrays["features"][:, 0].tolist() == [0, 1, 2]
    assert arrays["class_probs"].shape == (3, 0)
    assert (output.count, output.class_count, output.place) == (3, 0, "a.tsv:2")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"boxes": encode(np.array([[0, 0, 50, 9], [0, 0, 9, 9]], np.float32))}, "box_outside_image"),
        ({"boxes": encode(np.array([[-9, 0, 9, 9], [0, 0, 9, 9]], np.float32))}, "box_outside_image"),
        ({"boxes": encode(np.array([[9, 0, 0, 9], [0, 0, 9, 9]], np.float32))}, "box_inverted"),
        ({"boxes": encode(np.full((2, 4), np.nan, np.float32))}, "detector_not_finite"),
        ({"features": encode(np.full((2, 6), np.nan, np.float32))}, "detector_not_finite"),
        ({"features": encode(np.full((2, 6), 1e9, np.float32))}, "detector_not_finite"),
        ({"features": "!" * 64}, "tsv_wrong_base64"),
        ({"cls_prob": encode(np.full((2, 1601), 0.5, np.float32))}, "not_probabilities"),
        ({"image_w": "96"}, "tsv_other_image_size"),
        ({"image_id": "10"}, "not_in_tsv"),
    ],
)
def test_a_row_that_cannot_be_used_is_its_images_reason(tmp_path: Path, changes: dict[str, str], reason: str) -> None:
    output = describe(tmp_path, VILBERT, cells("9") | changes)
    assert (output.error, output.regions) == (reason, b"")
    assert output.place == (None if reason == "not_in_tsv" else "a.tsv:2")


def test_boxes_count_in_the_size_that_the_file_names(tmp_path: Path) -> None:
    output = describe(tmp_path, VILBERT, cells("9", width=480, height=479))  # the pair's image was resized to 48 x 48
    assert (output.error, output.image_width, output.image_height) == (None, 480, 479)


def test_a_box_one_pixel_outside_is_cut_to_the_image(tmp_path: Path) -> None:
    boxes = encode(np.array([[-1, 0, 49, 48], [0, 0, 9, 9]], np.float32))
    output = describe(tmp_path, BOTTOM_UP, cells("9") | {"boxes": boxes})
    assert np.load(io.BytesIO(output.regions))["boxes"][0].tolist() == [0, 0, 48, 48]


def test_the_number_in_a_name_of_coco_finds_its_row(tmp_path: Path) -> None:
    assert describe(tmp_path, BOTTOM_UP, cells("9"), COCO).place == "a.tsv:2"


def test_the_store_keeps_an_image_once_per_name() -> None:
    by_url = RegionSettings(tsv=("a.tsv",))
    keys = {output_key(pair(9, url), by_url) for url in (COCO, COCO, "http://a.example/other.jpg")}
    assert len(keys) == 2
    assert output_key(pair(9, COCO), RegionSettings()) == pair(9).sha256
