"""Figures of a benchmark's outputs, against counts by hand."""

import math
from pathlib import Path

import pytest
import torch

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.flamingo.benchmarks.metrics import (
    SCORED,
    AnswerTables,
    is_answered,
    read_tables,
    written_figures,
)
from tests.trainers.evaluation.answers.test_wordnet import write_wordnet

TABLES = AnswerTables({})


def choice(own: int, *gains: float) -> Item:
    return Item(key=own, media=(), prompt="", candidates=("a", "b", "c")[: len(gains)], own=own, gains=gains)


def test_a_figure_is_the_mean_over_seeds_and_chance_is_the_next_records_text() -> None:
    items = [Item(key=n, media=(), prompt="", references=(text,)) for n, text in enumerate(("cat", "dog", "hen"))]
    found = dict(written_figures("top1", [["cat", "dog", "cow"], ["cat", "cat", "cow"]], items, TABLES))
    assert found["top1"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert found["top1_chance"] == pytest.approx(1 / 6)  # of both seeds, "cat" of record 0 by the second one
    assert found["top1_std_of_seeds"] == pytest.approx(math.sqrt(2) / 6)
    assert found["top1_n"] == 3


def test_captions_are_scored_by_cider() -> None:
    items = [Item(key=n, media=(), prompt="", references=(text,)) for n, text in enumerate(("a b c d", "v w x y"))]
    found = dict(written_figures("cider", [["A b c d.", "v w x y"]], items, TABLES))
    assert found["cider"] == pytest.approx(10)
    assert found["cider_chance"] == 0


def test_answers_about_videos_are_compared_by_wordnet(tmp_path: Path) -> None:
    items = [Item(key=n, media=(), prompt="", references=(text,)) for n, text in enumerate(("a dog", "a man"))]
    with pytest.raises(InputError, match="give the folder dict of WordNet"):
        read_tables(str(tmp_path), "wups")
    write_wordnet(tmp_path / "wordnet")
    found = dict(written_figures("wups", [["cat", "man"]], items, read_tables(str(tmp_path), "wups")))
    assert found["wups"] == pytest.approx((4 / 6 + 1) / 2)


def test_answers_yes_no_and_how_many_are_right_only_if_they_are_the_same(tmp_path: Path) -> None:
    write_wordnet(tmp_path / "wordnet")
    (tmp_path / "stopwords.txt").write_text("a\n")
    tables = read_tables(str(tmp_path), "wups")
    kinds = ("CW", "DB", "DC")
    items = [
        Item(key=n, media=(), prompt="", references=("a dog",), info={"type": kind}) for n, kind in enumerate(kinds)
    ]
    found = [dict(written_figures("wups", [[text] * 3], items, tables))["wups"] for text in ("cat", "dogs")]
    assert found == [pytest.approx(4 / 6 / 3), 1.0]


def test_choices_count_if_the_right_one_is_likeliest() -> None:
    scores = torch.tensor([[[-1.0, -2.0, -torch.inf], [-1.0, -2.0, -3.0]]])
    found = dict(SCORED["choice_top1"](scores, [choice(0, 1, 0), choice(1, 0, 1, 0)]))
    assert (found["top1"], found["top1_chance"]) == (0.5, pytest.approx((1 / 2 + 1 / 3) / 2))


def test_auc_ranks_the_normalised_probability_of_yes() -> None:
    # the likelier text of both answers has no say: record 2 is short, but "yes" is no likelier there than in record 1
    scores = torch.tensor([[[-5.0, -4.0], [-1.0, -0.5], [-2.0, -3.0]]])
    found = dict(SCORED["auc"](scores, [choice(1, 0, 1), choice(0, 1, 0), choice(0, 1, 0)]))
    assert found["auc"] == 1.0


def test_dialogues_have_ndcg_and_the_mean_rank() -> None:
    scores = torch.tensor([[[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]]])
    found = dict(SCORED["ndcg"](scores, [choice(0, 1, 0, 0), choice(1, 0, 1, 0)]))
    assert found["ndcg"] == pytest.approx(0.5)
    assert (found["mean_rank"], found["mean_rank_chance"]) == (1.5, 2.0)


def test_a_record_is_answered_if_it_has_references_or_a_right_candidate() -> None:
    none = Item(key=0, media=(), prompt="", candidates=("a", "b"))
    assert [is_answered(item) for item in (choice(0, 1, 0), none)] == [True, False]
