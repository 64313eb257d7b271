"""Images with several captions are read in both formats; what cannot be used is left out or refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.vilbert.retrieval.captioned import limited, read_captioned
from tests.trainers.vilbert.retrieval.caption_files import captions_of, name_of, write_karpathy, write_lines


def test_both_formats_give_the_same_images(tmp_path: Path) -> None:
    first = read_captioned([write_karpathy(tmp_path / "dataset.json", range(5), [4])], None)
    second = read_captioned([write_lines(tmp_path / "all_data.jsonline", range(5))], None)
    assert first == second
    assert [(item.number, item.key, item.captions) for item in first.images] == [
        (number, name_of(number), tuple(captions_of(number))) for number in range(5)
    ]
    assert limited(first, 2).images == first.images[:2]
    assert first.notes == ()


def test_the_images_of_several_files_are_numbered_on(tmp_path: Path) -> None:
    files = [write_lines(tmp_path / "one.jsonl", [3, 1]), write_lines(tmp_path / "two.jsonl", [2])]
    assert [(item.number, item.image) for item in read_captioned(files, None).images] == [
        (0, name_of(3)),
        (1, name_of(1)),
        (2, name_of(2)),
    ]


def test_a_split_is_one_of_karpathys_file(tmp_path: Path) -> None:
    path = write_karpathy(tmp_path / "dataset.json", range(5), [1, 4])
    assert [item.image for item in read_captioned([path], "val").images] == [name_of(1), name_of(4)]
    with pytest.raises(InputError, match="no image in the split 'test'"):
        read_captioned([path], "test")
    lines = write_lines(tmp_path / "lines.jsonl", range(5))
    with pytest.raises(ConfigError, match="a file of JSON lines has no split 'val'"):
        read_captioned([lines], "val")


def test_blank_captions_and_images_without_any_are_left_out(tmp_path: Path) -> None:
    given = {0: ["", "one"], 1: ["  ", "\n"], 2: []}
    found = read_captioned([write_karpathy(tmp_path / "dataset.json", range(4), captions=given)], None)
    assert [item.captions for item in found.images] == [("one",), tuple(captions_of(3))]
    assert found.notes == ("2 images without a caption are left out",)
    with pytest.raises(InputError, match="no image has a caption"):
        read_captioned([write_karpathy(tmp_path / "none.json", [1, 2], captions=given)], None)


def test_an_image_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    one, two = write_lines(tmp_path / "one.jsonl", [7, 8]), write_lines(tmp_path / "two.jsonl", [9, 8])
    with pytest.raises(InputError, match=rf"record 1: image {name_of(8)} occurs twice, first in .*one.jsonl, record 1"):
        read_captioned([one, two], None)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"sentences": ["a"]}, "record 0: no field 'img_path'"),
        ({"img_path": "1.jpg"}, "record 0: no field 'sentences'"),
        ({"img_path": "1.jpg", "sentences": "a dog"}, "record 0: TypeError: sentences is no list"),
        ([1], "not a list of records"),
    ],
)
def test_a_line_of_another_layout_is_refused(tmp_path: Path, row: Any, message: str) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError, match=message):
        read_captioned([str(path)], None)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for name in ("none.json", "none.jsonl"):
        with pytest.raises(InputError, match="no such file"):
            read_captioned([str(tmp_path / name)], None)
