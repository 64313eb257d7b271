"""Each name of a person becomes one mask; all else stays as it is."""

import pytest

from corpusloom.pipelines.filters.pairs.conceptual.persons import mask_persons
from corpusloom.pipelines.filters.pairs.conceptual.tagged_text import tag_text
from corpusloom.pipelines.filters.pairs.conceptual.taggers import load_tagger
from tests.pipelines.filters.pairs.conceptual.capitals import Capitals


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("TOM HANKS's old car", "<PERSON>'s old car"),
        ("The car of  TOM HANKS", "The car of  <PERSON>"),
        ("TOM, BRAD and me.", "<PERSON>, <PERSON> and me."),
        ("a red car", "a red car"),
        ("", ""),
    ],
)
def test_a_name_is_replaced_as_a_whole(text: str, masked: str) -> None:
    assert mask_persons(tag_text(text, Capitals()), "<PERSON>") == masked


def test_only_persons_are_replaced() -> None:
    text = "Barack Obama arrives in Paris"
    assert mask_persons(tag_text(text, load_tagger("textblob")), "<PERSON>") == "<PERSON> arrives in Paris"
