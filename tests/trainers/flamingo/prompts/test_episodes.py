"""Few-shot episodes: the paper's prompts, shots at random, and generated texts that are cut at keywords."""

import itertools

import numpy as np
import pytest

from corpusloom.trainers.flamingo.prompts import episodes
from corpusloom.trainers.flamingo.prompts.episodes import Example, episode
from corpusloom.trainers.flamingo.prompts.sequence import EOC, row_ids
from tests.trainers.flamingo.test_data import VOCABULARY

QUERY, CAT, DOG = (np.full((1, 3, 8, 8), colour, np.uint8) for colour in (0, 1, 2))


def written(row: object) -> str:
    """Return a row as text, with [n] for the image of colour n."""
    return "".join(piece if isinstance(piece, str) else f"[{piece[0, 0, 0, 0]}]" for piece in row)  # type: ignore[attr-defined]


def test_captions_and_questions_are_written_as_in_the_paper() -> None:
    shots = [Example(CAT, "a cat"), Example(DOG, "a dog")]
    assert written(episode(Example(QUERY, ""), shots)) == f"[1]Output: a cat{EOC}[2]Output: a dog{EOC}[0]Output:"
    asked = episodes.question("what is it?")
    found = episode(Example(QUERY, "", asked), [Example(CAT, "a cat", asked)])
    assert written(found) == f"[1]Question: what is it? Answer: a cat{EOC}[0]Question: what is it? Answer:"


def test_an_episode_is_the_papers_token_by_token() -> None:
    found = row_ids(episode(Example(QUERY, ""), [Example(CAT, "a red star")]), VOCABULARY)
    opening = VOCABULARY.ids("<image>Output:")
    shot = [*opening, *VOCABULARY.ids(" a red star"), VOCABULARY.eoc]
    assert found.ids == [VOCABULARY.bos, *shot, *opening]
    assert found.tags == [1, 1 + len(shot)]


def test_a_dialogue_begins_with_its_caption_and_keeps_its_turns() -> None:
    turns = [("is it red?", "yes"), ("is it big?", "no")]
    found = episodes.dialogue("a star.", turns, "where is it?")
    assert found == (
        "a star. Question: is it red? Answer: yes Question: is it big? Answer: no Question: where is it? Answer:"
    )


def test_a_query_without_shots_has_two_examples_without_images_before_it() -> None:
    shots = [Example(CAT, "a cat"), Example(DOG, "a dog")]
    found = written(episode(Example(QUERY, ""), shots, images=False))
    assert found == f"Output: a cat{EOC}Output: a dog{EOC}[0]Output:"


def test_an_empty_prompt_gives_pairs_as_in_training() -> None:
    assert written(episode(Example(QUERY, ""), [Example(CAT, "a cat")], "")) == f"[1]a cat{EOC}[0]"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (" a cat ", "a cat"),
        (" a cat\nand more", "a cat"),
        (" yes Question: is it?", "yes"),
        ("two<image>Output: a dog", "two"),
        (" no Answer: yes", "no"),
        ("an answer: it is", "an answer: it is"),
    ],
)
def test_a_generated_text_ends_at_a_line_break_or_a_keyword_of_prompts(text: str, wanted: str) -> None:
    assert episodes.trim(text) == wanted


def test_shots_come_in_an_order_that_depends_on_seed_and_query_alone() -> None:
    orders = [tuple(episodes.shuffled(6, seed, query)) for seed in (0, 1) for query in (0, 1)]
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert len(set(orders)) == 4
    assert tuple(itertools.islice(episodes.shuffled(6, 0, 0), 2)) == orders[0][:2]
