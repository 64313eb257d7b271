"""Annotations find their images by the number or the name at the end of a sample's URL, or by its key."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.vilbert.downstream.formats.problems import Problem
from corpusloom.trainers.vilbert.downstream.formats.questions import Question
from corpusloom.trainers.vilbert.downstream.join import image_name, join
from corpusloom.trainers.vilbert.downstream.texts import Choices
from tests.trainers.vilbert.downstream.worlds import write_images


@pytest.mark.parametrize(
    ("key", "url", "name"),
    [
        ("k", "http://x/val2014/COCO_val2014_000000000009.jpg", "COCO_val2014_000000000009"),
        ("k", "https://x/a%20b/36%402.v1.jpg?size=3#f", "36@2.v1"),
        ("00012", "", "00012"),
        ("part/00012", "", "00012"),
    ],
)
def test_the_name_of_an_image_is_the_last_part_of_its_url_or_key(key: str, url: str, name: str) -> None:
    assert image_name(key, url) == name


def test_each_annotation_comes_with_the_regions_of_its_image(tmp_path: Path) -> None:
    path = write_images(tmp_path, [3, 8, 120])
    asked = [Question(n, str(n), image, "?") for n, image in enumerate([8, 120, 8, 7, 3])]
    joined = join(path, asked)
    assert (joined.count, joined.left_out, joined.missing) == (4, 1, "7")
    stream = StreamingDataset(path, rank=0, world_size=1, shuffle=False, annotated=joined.rows)
    found = {item.key: item.sample.key for item in stream}
    assert found.keys() == {"0", "1", "2", "4"}
    assert found["0"] == found["2"] != found["1"]


def test_an_image_is_found_by_either_of_its_names(tmp_path: Path) -> None:
    path, text = write_images(tmp_path, [3]), Choices(("?",), ("a", "b", "c", "d"))
    names = [("COCO_val2014_000000000003", "val-3"), ("a.b@0", "COCO_val2014_000000000003"), ("a.b@0", "val-3")]
    asked = [Problem(n, str(n), "q", image, alias, text, 0, None, "val") for n, (image, alias) in enumerate(names)]
    joined = join(path, asked)
    assert [item.number for item in joined.annotations] == [0, 1]
    assert joined.missing == "a.b@0"


def test_a_dataset_without_any_image_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = write_images(tmp_path, [3])
    with pytest.raises(InputError, match=r"has no sample of image 9, nor of any other .*give regions of these images"):
        join(path, [Question(0, "0", 9, "?")])
