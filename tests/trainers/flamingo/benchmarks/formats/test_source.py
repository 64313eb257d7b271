"""Paths of a split's files and media."""

import pytest

from corpusloom.trainers.flamingo.benchmarks.benchmark import find
from corpusloom.trainers.flamingo.benchmarks.formats.source import SplitSource


def test_the_images_of_a_split_may_have_another_name() -> None:
    source = SplitSource(find("vqav2"), "d", "test-dev2015")
    assert source.path == "d/v2_OpenEnded_mscoco_test-dev2015_questions.json"
    assert source.media({"image_id": 7}) == ("d/test2015/COCO_test2015_000000000007.jpg",)


def test_a_path_out_of_the_folder_is_refused() -> None:
    with pytest.raises(ValueError, match="leads out of the folder"):
        SplitSource(find("hatefulmemes"), "d", "train").media({"img": "../../etc/passwd"})


def test_the_text_of_a_meme_stands_in_its_prompt() -> None:
    prompt = SplitSource(find("hatefulmemes"), "d", "train").prompt("{a}")
    assert prompt == 'is an image with written: "{a}" on it. Is it hateful? Answer:'
