"""A rule whose score no stored record has is an error that says what to do, not a rule that passes everything."""

from pathlib import Path

import pytest

from corpusloom.pipelines.builds.check_scores import check_scores
from corpusloom.pipelines.recipes.deciding import page_rules, pair_rules
from corpusloom.pipelines.recipes.measuring import measured_names
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.schemas import tables
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.records import Head

M3W, ALIGN = load_recipe("m3w"), load_recipe("align")


def heads(folder: Path, *scores: dict[str, float]) -> str:
    path = str(folder / f"{len(list(folder.iterdir()))}.parquet")
    rows = [Head(unit="page", key=f"{n:032x}", parent="", url="u", scores=found) for n, found in enumerate(scores)]
    tables.write_records(path, Head, rows, sort_by=("key",))
    return path


def whole(recipe: object = M3W) -> dict[str, float]:
    return dict.fromkeys(measured_names(recipe), 1.0)  # type: ignore[arg-type]


def without(name: str) -> dict[str, float]:
    return {score: value for score, value in whole().items() if score != name}


def test_a_score_that_no_record_has_is_an_error_that_names_it(tmp_path: Path) -> None:
    fragments = [heads(tmp_path, without("stop_words")), heads(tmp_path, without("stop_words"))]
    with pytest.raises(InputError, match=r"too_few_stop_words judges the score stop_words.*delete this folder"):
        check_scores(fragments, page_rules(M3W), M3W, str(tmp_path))


def test_one_record_that_has_it_is_enough(tmp_path: Path) -> None:
    fragments = [heads(tmp_path, without("stop_words")), heads(tmp_path, without("words"), whole())]
    check_scores(fragments, page_rules(M3W), M3W, str(tmp_path))


def test_records_without_words_have_no_ratios_and_are_no_error(tmp_path: Path) -> None:
    check_scores([heads(tmp_path, {"words": 0.0, "images": 1.0})], page_rules(M3W), M3W, str(tmp_path))
    check_scores([heads(tmp_path)], page_rules(M3W), M3W, str(tmp_path))
    check_scores([], page_rules(M3W), M3W, str(tmp_path))


def test_a_score_that_needs_a_missing_word_list_is_no_error(tmp_path: Path) -> None:
    assert "explicit_share" in {rule.score for rule in page_rules(M3W)}
    check_scores([heads(tmp_path, whole())], page_rules(M3W), M3W, str(tmp_path))


def test_pairs_are_checked_and_counts_over_the_corpus_come_later(tmp_path: Path) -> None:
    assert "text_images" in {rule.score for rule in pair_rules(ALIGN)}
    check_scores([heads(tmp_path, whole(ALIGN))], pair_rules(ALIGN), ALIGN, str(tmp_path))
    with pytest.raises(InputError, match="language"):
        check_scores([heads(tmp_path, {"caption_words": 4.0})], pair_rules(ALIGN), ALIGN, str(tmp_path))
