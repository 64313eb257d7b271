"""The answer of a shot."""

from corpusloom.trainers.flamingo.benchmarks.items import Item

NONE = Item(key=1, media=(), prompt="")


def test_the_answer_of_a_shot_is_the_most_frequent_reference_or_the_right_candidate() -> None:
    assert Item(key=1, media=(), prompt="", references=("a", "b", "b", "c")).answer == "b"
    assert Item(key=1, media=(), prompt="", candidates=("no", "yes"), own=1).answer == "yes"
    assert Item(key=1, media=(), prompt="", candidates=("no", "yes")).answer is None
    assert NONE.answer is None
