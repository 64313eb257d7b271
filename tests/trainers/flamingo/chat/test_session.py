"""A dialogue with a small Flamingo: images count, replies become part of it, and an error leaves it as it was."""

from pathlib import Path
from unittest import mock

import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.flamingo.chat.dialogue import DialogueForm, prompt_of
from corpusloom.trainers.flamingo.chat.session import Responder, Session
from corpusloom.trainers.flamingo.config import FlamingoDataConfig
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.flamingo.decoding import DecodingConfig
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.image_encoder import ImageEncoder
from corpusloom.trainers.flamingo.prompts.images import read_image
from corpusloom.trainers.flamingo.prompts.sequence import generate
from tests.trainers.flamingo.test_data import VOCABULARY, jpeg

FORM = DialogueForm(asks="Q:", answers="A:")
TRANSFORM = FlamingoTransform(VOCABULARY, FlamingoDataConfig(evaluation_frames=3), 8, augment=False)


@pytest.fixture
def responder(model: Flamingo) -> Responder:
    return Responder(model, TRANSFORM, FORM, DecodingConfig(limit=6), ImageEncoder(model, 3))


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """Return a dark image, a bright one, and a clip of both."""
    for name, colour in (("dark", 20), ("bright", 230)):
        (tmp_path / f"{name}.png").write_bytes(jpeg(colour))
        (tmp_path / "clip").mkdir(exist_ok=True)
        (tmp_path / "clip" / f"{name}.png").write_bytes(jpeg(colour))
    return [str(tmp_path / name) for name in ("dark.png", "bright.png", "clip")]


def test_replies_are_those_of_the_prompt_with_all_turns_and_images(responder: Responder, pictures: list[str]) -> None:
    session, turns, found = Session(responder), [], []
    for path, text in zip(pictures, ("red?", "star?", "here?"), strict=True):
        session.add_image(path)
        reply = session.ask(text)
        assert reply.images == (path,)
        turn = FORM.turn(text, [read_image(path, TRANSFORM)])
        (wanted,) = generate(responder.model, [prompt_of(FORM, [*turns, turn])], VOCABULARY, responder.decoding)
        assert reply.text == FORM.trim(wanted)
        turns.append(type(turn)(turn.pieces, reply.text))
        found.append(reply.text)
    assert len(set(found)) == 3


def test_each_image_is_encoded_once_for_all_turns(responder: Responder, pictures: list[str]) -> None:
    session = Session(responder)
    with mock.patch.object(responder.model, "encode_images", wraps=responder.model.encode_images) as encode:
        for path in pictures[:2]:
            session.add_image(path)
            session.ask("red?")
            session.ask("star?")
    assert [len(call.args[0]) for call in encode.call_args_list] == [1, 1]


def test_undo_and_reset_give_the_first_reply_again(responder: Responder, pictures: list[str]) -> None:
    session = Session(responder)
    assert not session.undo()
    session.add_image(pictures[0])
    first = session.ask("red?")
    assert session.undo()
    session.add_image(pictures[1])
    assert session.undo()
    session.add_image(pictures[0])
    assert session.ask("red?") == first
    session.reset()
    session.add_image(pictures[0])
    assert session.ask("red?") == first


def test_an_error_leaves_the_dialogue_as_it_was(responder: Responder, pictures: list[str], tmp_path: Path) -> None:
    session = Session(responder)
    session.add_image(pictures[0])
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=r"text\.png: the image cannot be decoded"):
        session.add_image(str(tmp_path / "text.png"))
    with pytest.raises(ConfigError, match="the language model has 96"):
        session.ask("a red star " * 30)
    reply = session.ask("red?")
    assert reply.images == (pictures[0],)
    fresh = Session(responder)
    fresh.add_image(pictures[0])
    assert fresh.ask("red?").text == reply.text


def test_a_full_context_cuts_the_oldest_turn_and_says_so(responder: Responder, pictures: list[str]) -> None:
    session = Session(responder)
    session.add_image(pictures[0])
    cuts = [session.ask("is it a red star on a grey ground?").cut for _ in range(5)]
    assert cuts[0] == 0
    assert max(cuts) > 0
