"""Captions of images and of parts of videos."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.benchmarks.benchmark import find
from corpusloom.trainers.flamingo.benchmarks.formats.captions import read_karpathy, read_youcook2
from corpusloom.trainers.flamingo.benchmarks.formats.source import SplitSource
from tests.trainers.flamingo.benchmarks.folders import write


def test_images_of_coco_have_their_numbers_and_others_the_names_of_files(tmp_path: Path) -> None:
    name = "COCO_val2014_000000391895.jpg"
    coco = {"filepath": "val2014", "filename": name, "split": "test", "sentences": [{"raw": "A man."}, {"raw": "Men."}]}
    write(tmp_path, "dataset_coco.json", {"images": [coco]})
    (item,) = read_karpathy(SplitSource(find("coco"), str(tmp_path), "test"))
    assert (item.key, item.references) == (391895, ("A man.", "Men."))
    assert item.media == (f"{tmp_path}/val2014/{name}",)
    flickr = {"filename": "10.jpg", "split": "test", "sentences": [{"raw": "A dog."}]}
    write(tmp_path, "dataset_flickr30k.json", {"images": [flickr]})
    (item,) = read_karpathy(SplitSource(find("flickr30k"), str(tmp_path), "test"))
    assert (item.key, item.media[0]) == ("10.jpg", f"{tmp_path}/flickr30k-images/10.jpg")


def test_steps_of_recipes_are_parts_of_videos(tmp_path: Path) -> None:
    step = {"segment": [90, 102], "id": 0, "sentence": "spread margarine"}
    video = {"subset": "validation", "recipe_type": "113", "annotations": [step]}
    name = "youcookii_annotations_trainval.json"
    write(tmp_path, name, {"database": {"GLd3": video, "x": {"subset": "training"}}})
    source = SplitSource(find("youcook2"), str(tmp_path), "validation")
    (item,) = read_youcook2(source)
    assert (item.key, item.start, item.end, item.references) == ("GLd3_0", 90.0, 102.0, ("spread margarine",))
    assert item.media[0] == f"{tmp_path}/raw_videos/validation/113/GLd3"
    with pytest.raises(InputError, match="x: no field 'annotations'"):
        read_youcook2(SplitSource(find("youcook2"), str(tmp_path), "training"))
    with pytest.raises(InputError, match="no video in the split 'test'"):
        read_youcook2(SplitSource(find("youcook2"), str(tmp_path), "test"))
