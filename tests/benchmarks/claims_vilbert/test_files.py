"""The files are read by the readers of the published formats, and say what was asked."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.claims_vilbert.datasets import write_dataset
from benchmarks.claims_vilbert.files import TRAIN, VAL, write_captions, write_refcoco, write_vcr, write_vqa
from benchmarks.claims_vilbert.questions import choices, expressions, questions
from benchmarks.claims_vilbert.world import make_scene
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.vilbert.downstream.annotations import READERS, of_split
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig
from corpusloom.trainers.vilbert.downstream.join import join
from corpusloom.trainers.vilbert.retrieval.captioned import read_captioned

SPLITS = {TRAIN: [make_scene(number) for number in range(6)], VAL: [make_scene(number) for number in range(6, 9)]}
DATA = TaskDataConfig(minval=12, min_answers=1)


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_dataset([scene for scenes in SPLITS.values() for scene in scenes], tmp_path_factory.mktemp("regions"))


def test_a_dataset_has_the_regions_and_captions_of_its_scenes(regions: str) -> None:
    found = {sample.text: sample for sample in StreamingDataset(regions, rank=0, world_size=1)}
    for scene in SPLITS[VAL]:
        sample = found[scene.caption]
        assert isinstance(sample, RegionsSample)
        np.testing.assert_array_equal(sample.features, scene.regions["features"])


def test_questions_are_divided_by_scenes_and_find_their_images(regions: str, tmp_path: Path) -> None:
    files = write_vqa(tmp_path, SPLITS)
    for split, name in ((TRAIN, "train"), (VAL, "minval")):
        found = of_split(READERS["vqa"](files, DATA), name, files)
        expected = [(scene.number, q.text, q.answer) for scene in SPLITS[split] for q in questions(scene)]
        assert [(item.image, item.text, item.choice) for item in found] == expected
        assert all(item.answers.count(item.choice) >= 9 for item in found)
        assert join(regions, found).left_out == 0


def test_the_right_choices_are_shuffled_and_mentions_are_shapes(regions: str, tmp_path: Path) -> None:
    files = write_vcr(tmp_path, SPLITS)
    found = of_split(READERS["vcr"](files, DATA), None, files)
    scenes = {scene.number: scene for scenes in SPLITS.values() for scene in scenes}
    for item in found:
        asked = choices(scene := scenes[int(item.image.rpartition("_")[2])])
        assert item.text.context[0] == f"what colour is {scene.things[asked.thing].shape} ?"
        assert item.label is not None
        right = asked.answers[0] if item.given is None else asked.rationales[0]
        assert item.text.choices[item.label] == right
    assert len({item.label for item in found}) > 1
    assert join(regions, found).left_out == 0


def test_expressions_have_the_boxes_of_their_objects(regions: str, tmp_path: Path) -> None:
    files = write_refcoco(tmp_path, SPLITS)
    found = of_split(READERS["refcoco"](files, DATA), VAL, files)
    expected = [(scene.things[at], text) for scene in SPLITS[VAL] for at, text in expressions(scene)]
    assert [item.text for item in found] == [text for _, text in expected]
    for item, (thing, _) in zip(found, expected, strict=True):
        x, y, width, height = item.box
        np.testing.assert_allclose([x, y, x + width, y + height], thing.box)
    assert join(regions, found).left_out == 0


def test_captions_are_read_by_split(tmp_path: Path) -> None:
    (path,) = write_captions(tmp_path, SPLITS)
    found = read_captioned([path], VAL)
    assert [image.captions for image in found.images] == [(scene.caption,) for scene in SPLITS[VAL]]
