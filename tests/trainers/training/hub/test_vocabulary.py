"""The vocabulary of a run is that of its weights, a configured one, or learnt."""

import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.training.hub.vocabulary import choose_vocabulary, read_json_object


def choose(given: str | None, own: tuple[str, str | None] | None) -> str | None:
    return choose_vocabulary("data.tokenizer", None if given is None else ("file", given), own, str.lower)


@pytest.mark.parametrize(
    ("given", "own", "chosen"),
    [(None, None, None), ("A", None, "A"), (None, ("folder", "A"), "A"), ("a", ("folder", "A"), "a"),
     ("A", ("folder", None), "A")],
)  # fmt: skip
def test_weights_keep_their_vocabulary(given: str | None, own: tuple[str, str | None] | None, chosen: str) -> None:
    assert choose(given, own) == chosen


@pytest.mark.parametrize(
    ("given", "own", "message"),
    [
        ("B", "A", "file is not the vocabulary in folder.*leave data"),
        (None, None, "folder has no vocabulary.*learnt anew"),
    ],
)
def test_another_vocabulary_is_refused(given: str | None, own: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^data\.tokenizer: {message}"):
        choose(given, ("folder", own))


def test_a_file_without_an_object_is_empty_and_one_that_is_not_json_is_refused() -> None:
    assert read_json_object(b'{"a": 1}', "f", "r") == {"a": 1}
    assert read_json_object(b"[1]", "f", "r") == {}
    with pytest.raises(InputError, match="not readable as JSON"):
        read_json_object(b"{", "f", "r")
