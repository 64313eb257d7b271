"""Further columns of a list are kept as text; what is no text is written as JSON."""

from corpusloom.pipelines.store.lists.kept_columns import MAX_TEXT, kept_columns


def test_values_are_kept_as_text_and_empty_ones_are_left_out() -> None:
    values = ["a b", 0.5, 3, True, [[0.1, 0.2]], {"é": None}, None, " ", ""]
    assert kept_columns("abcdefghi", values) == {
        "a": "a b",
        "b": "0.5",
        "c": "3",
        "d": "true",
        "e": "[[0.1, 0.2]]",
        "f": '{"é": null}',
    }


def test_a_long_value_is_cut() -> None:
    assert kept_columns(["a"], ["x" * (MAX_TEXT + 1)]) == {"a": "x" * MAX_TEXT}
