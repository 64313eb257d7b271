"""Dialogues as prompts: the paper's form, images at any turn, replies that end in time, and turns that are cut."""

import numpy as np
import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.flamingo.chat.dialogue import COMPLETION, DialogueForm, Turn, fit, prompt_of
from corpusloom.trainers.flamingo.prompts.episodes import Example, dialogue, episode
from corpusloom.trainers.flamingo.prompts.sequence import EOC, PromptRow, row_ids
from tests.trainers.flamingo.test_data import VOCABULARY

CAT, DOG = (np.full((1, 3, 8, 8), colour, np.uint8) for colour in (1, 2))
FORM = DialogueForm()
USERS = DialogueForm("A talk.", "User:", "Model:")


def written(row: PromptRow) -> str:
    """Return a prompt as text, with [n] for the image of colour n."""
    return "".join(piece if isinstance(piece, str) else f"[{piece[0, 0, 0, 0]}]" for piece in row)


def replied(form: DialogueForm, text: str, reply: str, *images: np.ndarray) -> Turn:
    """Return a turn with its reply."""
    return Turn(form.turn(text, images).pieces, reply)


def test_a_dialogue_about_one_image_is_the_papers() -> None:
    turns = [replied(FORM, "is it red?", "yes", CAT), replied(FORM, " is it big? ", "no"), FORM.turn("where?", [])]
    wanted = dialogue("", [("is it red?", "yes"), ("is it big?", "no")], "where?")
    assert written(prompt_of(FORM, turns)) == f"[1]{wanted}"


def test_images_come_at_any_turn_each_after_an_end_of_chunk() -> None:
    turns = [replied(USERS, "what are they?", "pets", CAT, DOG), USERS.turn("and this?", [CAT])]
    assert written(prompt_of(USERS, turns)) == (
        f"A talk.{EOC}[1]{EOC}[2]User: what are they? Model: pets{EOC}[1]User: and this? Model:"
    )


def test_images_stand_where_the_text_has_tags() -> None:
    turn = FORM.turn("is <image> older than <image>?", [CAT, DOG])
    assert written(prompt_of(FORM, [turn])) == f"Question: is {EOC}[1] older than {EOC}[2]? Answer:"
    with pytest.raises(InputError, match="<image> tags in the text: 2, images: 1 "):
        FORM.turn("<image><image>", [CAT])


def test_texts_are_completed_as_they_are_so_few_shot_prompts_are_those_of_evaluations() -> None:
    turn = COMPLETION.turn(f"<image>Output: a cat{EOC}<image>Output:", [CAT, DOG])
    shots = prompt_of(COMPLETION, [turn])
    wanted = episode(Example(DOG, ""), [Example(CAT, "a cat")])
    assert written(shots) == written(wanted)
    story = [replied(COMPLETION, "once", "upon"), COMPLETION.turn("a time", [])]
    assert written(prompt_of(COMPLETION, story)) == "once upon a time"


@pytest.mark.parametrize(
    ("form", "text", "wanted"),
    [
        (FORM, " a cat Question: and?", "a cat"),
        (FORM, " a cat\nor not", "a cat"),
        (USERS, " a cat User: and?", "a cat"),
        (USERS, " a SuperUser: cat", "a SuperUser: cat"),
        (USERS, " a cat Model: dog", "a cat"),
        (COMPLETION, " a cat\nQuestion: and?<image>x", "a cat\nQuestion: and?"),
    ],
)
def test_a_reply_ends_where_another_turn_or_image_begins(form: DialogueForm, text: str, wanted: str) -> None:
    assert form.trim(text) == wanted


def test_the_oldest_texts_are_cut_and_all_images_stay() -> None:
    turns = [replied(FORM, "is it red?", "yes", CAT), replied(FORM, "big?", "no", DOG), FORM.turn("where?", [])]
    whole = len(row_ids(prompt_of(FORM, turns), VOCABULARY).ids)
    assert fit(FORM, turns, VOCABULARY, whole + 4, 4) == (turns, 0)
    kept, cut = fit(FORM, turns, VOCABULARY, whole + 3, 4)
    assert cut == 1
    assert written(prompt_of(FORM, kept)) == f"[1]{EOC}[2]Question: big? Answer: no Question: where? Answer:"
    again, cut = fit(
        FORM, [*kept[:-1], replied(FORM, "where?", "here"), FORM.turn("so?", [])], VOCABULARY, whole - 8, 4
    )
    assert cut == 1
    assert written(prompt_of(FORM, again)).startswith(f"[1]{EOC}[2]Question: where?")


def test_images_and_a_text_that_do_not_fit_are_refused_with_the_number_of_positions() -> None:
    turn = FORM.turn("where is it?", [CAT, DOG])
    needed = len(row_ids(prompt_of(FORM, [turn]), VOCABULARY).ids) + 5
    with pytest.raises(ConfigError, match=f"need {needed} positions, the language model has 20 .*fewer images"):
        fit(FORM, [replied(FORM, "is it?", "yes"), turn], VOCABULARY, 20, 5)


@pytest.mark.parametrize(("text", "message"), [(" ", "is empty"), ("a\udce9", "not valid Unicode")])
def test_an_empty_or_broken_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FORM.turn(text, [])
