"""The training split of a benchmark: samples with prompt and answers, of images and of videos."""

import json
from pathlib import Path

import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.trainers.flamingo.benchmarks.training_split import open_training_split
from tests.trainers.flamingo.benchmarks.folders import hatefulmemes, okvqa, picture, write


def test_a_record_is_its_image_as_it_is_with_prompt_and_all_answers(tmp_path: Path) -> None:
    split = open_training_split("okvqa", okvqa(tmp_path), frames=2, side=8)
    assert (split.kind, split.name, len(split.items)) == ("pairs", "okvqa/train2014", 3)
    assert list(split.items) == sorted(split.items)
    found = [split.read(key) for key in split.items]
    by_name = {name: (text, fields) for name, text, fields in filter(None, found)}
    text, fields = by_name["okvqa/train2014/10"]
    assert text == "red"
    assert fields["jpg"] == (tmp_path / "train2014/COCO_train2014_000000000001.jpg").read_bytes()
    info = json.loads(fields["json"])
    assert info == {
        "key": 10,
        "few_shot": {"prompt": "Question: What colour is 1? Answer:", "answers": ["blue"] * 2 + ["red"] * 8},
    }


def test_a_record_with_candidates_has_the_right_one_as_its_answer(tmp_path: Path) -> None:
    split = open_training_split("hatefulmemes", hatefulmemes(tmp_path), frames=2, side=8)
    samples = [sample for key in split.items if (sample := split.read(key))]
    answers = {
        name.rsplit("/", 1)[-1]: json.loads(fields["json"])["few_shot"]["answers"] for name, _, fields in samples
    }
    assert answers == {"0": ["no"], "1": ["yes"], "2": ["no"], "3": ["yes"]}
    assert all("png" in fields for _, _, fields in samples)


def test_a_video_is_its_frames_scaled_down_and_a_missing_one_is_counted(tmp_path: Path) -> None:
    rows = [{"id": n, "video_id": n, "question": "what is it?", "answer": "a dot"} for n in range(2)]
    write(tmp_path, "train_qa.json", rows)
    for number in range(5):
        picture(tmp_path, f"videos/video1/{number}.png", 40 * number)
    split = open_training_split("msrvttqa", str(tmp_path), frames=3, side=8)
    assert split.kind == "clips"
    (sample,) = [sample for key in split.items if (sample := split.read(key))]
    frames = {name: decode_rgb(data) for name, data in sample[2].items() if name.endswith("jpg")}
    assert {name: frame.shape for name, frame in frames.items()} == {f"00{n}.jpg": (6, 8, 3) for n in range(3)}
    assert [int(frame[0, 0, 0]) for frame in frames.values()] == pytest.approx([0, 80, 160], abs=4)
    assert split.skipped == {"missing_media": 1}


def test_a_folder_that_cannot_be_trained_on_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rareact has no split for training.*choose another"):
        open_training_split("rareact", str(tmp_path), frames=2, side=8)
    with pytest.raises(ConfigError, match=r"no benchmark 'okvqq'.*did you mean okvqa"):
        open_training_split("okvqq", str(tmp_path), frames=2, side=8)
    with pytest.raises(InputError, match="no such folder"):
        open_training_split("okvqa", str(tmp_path / "none"), frames=2, side=8)
    okvqa(tmp_path)
    (tmp_path / "mscoco_train2014_annotations.json").rename(tmp_path / "kept.json")
    with pytest.raises(InputError, match=r"train2014: no record has an answer.*add the file of answers"):
        open_training_split("okvqa", str(tmp_path), frames=2, side=8)
    (tmp_path / "kept.json").rename(tmp_path / "mscoco_train2014_annotations.json")
    (tmp_path / "train2014").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"no record has its image or video, such as .*COCO_train2014_000000000000"):
        open_training_split("okvqa", str(tmp_path), frames=2, side=8)
