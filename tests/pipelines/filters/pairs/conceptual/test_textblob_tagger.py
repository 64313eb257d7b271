"""Textblob's tags and names, without any download."""

import pytest

from corpusloom.pipelines.filters.pairs.conceptual.textblob_tagger import TextblobTagger, load_english
from corpusloom.schemas.errors import ConfigError

TAGGER = TextblobTagger()


def test_words_have_tags_of_the_penn_treebank() -> None:
    words = ["A", "man", "and", "a", "woman", "sit", "on", "a", "wooden", "bench"]
    assert [tag for tag, _ in TAGGER(words)] == ["DT", "NN", "CC", "DT", "NN", "VB", "IN", "DT", "JJ", "NN"]


def test_names_of_the_list_have_their_kind_and_other_names_have_none() -> None:
    words = ["Barack", "Obama", "and", "Angela", "Blorks", "of", "Google", "in", "Paris"]
    kinds = ["PERSON", "PERSON", "", "", "", "", "ORGANISATION", "", "PLACE"]
    assert [kind for _, kind in TAGGER(words)] == kinds
    assert TAGGER(["Paris"]) == [("NNP", "PLACE")]


def test_words_of_the_tagger_are_those_that_it_is_given() -> None:
    words = ["a/b", "x y", "\n", "é"]
    assert len(TAGGER(words)) == 4


def test_the_identity_has_the_version_and_a_hash_of_the_data() -> None:
    name, version, digest = TAGGER.identity.split()
    assert (name, len(digest)) == ("textblob", 16)
    assert version.count(".") >= 1
    assert TextblobTagger().identity == TAGGER.identity


def test_a_model_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"textblob has one model.*write textblob"):
        TextblobTagger("large")


def test_the_module_is_that_of_english() -> None:
    assert load_english().__name__ == "textblob.en"
