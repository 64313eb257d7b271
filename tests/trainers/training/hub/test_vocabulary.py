"""The vocabulary of a run is that of its weights, a configured one, or learnt."""

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.hub.vocabulary import choose_vocabulary


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
