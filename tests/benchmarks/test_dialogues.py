"""The dialogues' data: questions have right answers, and the readers of VisDial take the folder."""

from pathlib import Path

import pytest

from benchmarks import dialogues
from corpusloom.trainers.flamingo.benchmarks.training_split import open_training_split


def test_every_question_has_its_answer_among_the_candidates() -> None:
    for picture in dialogues.pictures("val", 50):
        answers = [dialogues.answer_to(picture, question) for question in dialogues.ASPECTS]
        assert answers[:2] == [picture.colour, picture.shape]
        assert set(answers) <= set(dialogues.ANSWERS)


def test_a_dialogue_asks_different_questions_and_splits_have_different_pictures() -> None:
    asked = [dialogues.questions_for(number, 4) for number in range(20)]
    assert all(len(set(questions)) == 4 for questions in asked)
    assert len({tuple(questions) for questions in asked}) > 10
    seeds = [{picture.seed for picture in dialogues.pictures(split, 700)} for split in dialogues.SPLITS]
    assert len(set.union(*seeds)) == 2_100


def test_the_folder_is_read_as_a_training_split_whose_prompts_hold_earlier_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialogues, "DIALOGUES", 10)
    dialogues.write_visdial(tmp_path)
    split = open_training_split("visdial", str(tmp_path), frames=1, side=64)
    assert len(split.items) == 40
    picture = dialogues.pictures("train", 10)[3]
    first, second = dialogues.questions_for(3, 4)[:2]
    items = {item.key: item for item in split.items.values()}
    assert items["3_1"].prompt == f"Question: {first} Answer:"
    assert (
        items["3_2"].prompt
        == f"Question: {first} Answer: {dialogues.answer_to(picture, first)} Question: {second} Answer:"
    )
    assert items["3_2"].answer == dialogues.answer_to(picture, second)
