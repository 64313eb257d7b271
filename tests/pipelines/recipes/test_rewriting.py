"""The text of a pair is cut, measured and rewritten as the recipe says."""

from pathlib import Path

import pytest

from corpusloom.pipelines.filters.pairs.conceptual import taggers
from corpusloom.pipelines.recipes.recipe import Recipe, load_recipe
from corpusloom.pipelines.recipes.rewriting import Rewritten, check_rewriting, load_phrases, rewrite, rewritten_by
from corpusloom.schemas.errors import ConfigError, InputError
from tests.pipelines.filters.pairs.conceptual.capitals import Capitals
from tests.pipelines.filters.pairs.conceptual.small_wordnet import write_wordnet

TEXT = "A dog of Tom Hanks - stock photo"


def test_a_recipe_without_the_table_leaves_texts_as_they_are() -> None:
    recipe = load_recipe("align")
    assert rewrite(TEXT, recipe) == Rewritten(TEXT, TEXT, {})
    assert rewritten_by(recipe) is None


def test_edges_are_cut_before_the_text_is_measured_and_names_replaced_after() -> None:
    made = rewrite(TEXT, load_recipe("cc12m"))
    assert (made.measured, made.text) == ("A dog of Tom Hanks", "A dog of <PERSON>")
    assert (made.scores["nouns"], made.scores["persons"], made.scores["boilerplate_caption"]) == (3, 1, 0)


def test_what_is_off_is_not_done() -> None:
    made = rewrite(TEXT, load_recipe("cc12m", ["filters.conceptual.boilerplate=off", "filters.conceptual.person=off"]))
    assert (made.measured, made.text) == (TEXT, TEXT)
    assert "boilerplate_caption" not in made.scores


def test_phrases_of_a_file_are_added_to_those_that_ship(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("reject start a dog\n")
    assert (
        rewrite(TEXT, load_recipe("cc12m", [f"filters.conceptual.phrases={path}"])).scores["boilerplate_caption"] == 1
    )
    assert len(load_phrases(str(path)).phrases) == len(load_phrases(None).phrases) + 1
    path.with_name("bad.txt").write_text("a dog\n")
    with pytest.raises(InputError, match=r"bad\.txt"):
        check_rewriting(load_recipe("cc12m", [f"filters.conceptual.phrases={tmp_path}/bad.txt"]))


def cc3m(folder: Path, *keys: str) -> Recipe:
    return load_recipe("cc3m", [f"filters.conceptual.wordnet={write_wordnet(folder)}", *keys])


def test_names_become_hypernyms_where_there_is_a_wordnet(tmp_path: Path) -> None:
    made = rewrite("A dog of Tom Hanks in the - stock photo", cc3m(tmp_path))
    assert (made.measured, made.text) == ("A dog of Tom Hanks in the", "A dog of actor in the")
    assert made.hypernyms == ("actor",)
    names = ("nouns", "unresolved_names", "rewritten_words", "incomplete_caption")
    assert [made.scores[name] for name in names] == [3, 0, 6, 1]


def test_a_text_of_which_nothing_is_left_stays_and_has_no_words(tmp_path: Path) -> None:
    made = rewrite("May 2012", cc3m(tmp_path))
    assert (made.text, made.scores["rewritten_words"], made.scores["incomplete_caption"]) == ("May 2012", 0, 1)


def test_a_wordnet_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="apt-get install wordnet-base"):
        check_rewriting(load_recipe("cc3m", ["filters.conceptual.wordnet=/absent"]))


def test_names_are_replaced_in_one_way(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="person and wordnet"):
        cc3m(tmp_path, "filters.conceptual.person=<PERSON>")


def test_the_wordnet_and_what_heads_hold_are_named(tmp_path: Path) -> None:
    made = rewritten_by(cc3m(tmp_path / "one"))
    assert rewritten_by(cc3m(tmp_path / "two")) == made
    assert rewritten_by(cc3m(tmp_path / "two", "filters.conceptual.min_hypernym_captions=off")) != made
    write_wordnet(tmp_path / "three")
    (tmp_path / "three" / "data.noun").write_text("other")
    assert rewritten_by(load_recipe("cc3m", [f"filters.conceptual.wordnet={tmp_path}/three"])) != made


def test_a_tagger_that_is_not_known_is_refused() -> None:
    with pytest.raises(ConfigError, match="no tagger is called"):
        check_rewriting(load_recipe("cc12m", ["filters.conceptual.tagger=blob"]))


def test_all_that_shapes_a_text_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(taggers.TAGGERS, "capitals", lambda _: Capitals())
    (tmp_path / "list").write_text("cut end dog\n")
    changes = (
        "filters.conceptual.tagger=capitals",
        "filters.conceptual.person=off",
        "filters.conceptual.boilerplate=off",
        f"filters.conceptual.phrases={tmp_path}/list",
        f"filters.lists.bad_words={tmp_path}/list",
    )
    made = [rewritten_by(load_recipe("cc12m", list(keys))) for keys in ((), *((change,) for change in changes))]
    assert all(made.count(one) == 1 for one in made)
    assert rewritten_by(load_recipe("cc12m", ["filters.conceptual.max_polarity=0.1"])) == made[0]
