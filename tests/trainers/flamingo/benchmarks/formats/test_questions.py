"""Questions and annotations in VQA's format."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.benchmarks.benchmark import find
from corpusloom.trainers.flamingo.benchmarks.formats.questions import read_questions
from corpusloom.trainers.flamingo.benchmarks.formats.source import SplitSource
from tests.trainers.flamingo.benchmarks.folders import okvqa, write


def test_questions_have_their_ten_answers(tmp_path: Path) -> None:
    items = read_questions(SplitSource(find("okvqa"), okvqa(tmp_path), "val2014"))
    assert [item.key for item in items] == [1000, 1010, 1020]
    assert items[1].references == ("blue", "blue", *["red"] * 8)
    assert items[1].prompt == "Question: What colour is 101? Answer:"
    assert items[1].media == (f"{tmp_path}/val2014/COCO_val2014_000000000101.jpg",)


def test_a_split_without_annotations_has_questions_without_answers(tmp_path: Path) -> None:
    (Path(okvqa(tmp_path)) / "mscoco_val2014_annotations.json").unlink()
    assert [item.references for item in read_questions(SplitSource(find("okvqa"), str(tmp_path), "val2014"))] == [
        ()
    ] * 3


def test_a_question_without_its_annotation_is_named(tmp_path: Path) -> None:
    okvqa(tmp_path)
    write(tmp_path, "mscoco_val2014_annotations.json", {"annotations": [{"question_id": 1000, "answers": []}]})
    with pytest.raises(InputError, match="record 1: no field 1010"):
        read_questions(SplitSource(find("okvqa"), str(tmp_path), "val2014"))
