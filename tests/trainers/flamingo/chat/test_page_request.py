"""Interleaved prompts from the page: read in order, within limits, and refused in plain words."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.chat import page_request
from corpusloom.trainers.flamingo.chat.dialogue import COMPLETION, DialogueForm
from corpusloom.trainers.flamingo.chat.page_request import MOST_IMAGES, MOST_TEXT, form_of, reply_to
from corpusloom.trainers.flamingo.chat.session import Responder
from corpusloom.trainers.flamingo.decoding import DecodingConfig
from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.images import decode_image
from corpusloom.trainers.flamingo.prompts.sequence import EOC, generate
from tests.trainers.flamingo.chat.test_session import FORM, TRANSFORM
from tests.trainers.flamingo.test_data import VOCABULARY, jpeg

DARK, BRIGHT = jpeg(20), jpeg(230)


@pytest.fixture
def responder(model: Flamingo) -> Responder:
    return Responder(model, TRANSFORM, FORM, DecodingConfig(limit=6))


def image(data: bytes, name: str = "a.png") -> dict[str, str]:
    """Return an image as the page sends it."""
    return {"image": base64.b64encode(data).decode(), "name": name}


def request(*pieces: Any) -> bytes:
    """Return a request of the page."""
    return json.dumps({"pieces": pieces}).encode()


def pixels(data: bytes) -> np.ndarray:
    """Return an image as the model sees it."""
    return decode_image(data, "", TRANSFORM)


def test_pieces_are_one_prompt_in_their_order(responder: Responder) -> None:
    body = request(image(DARK), {"text": "a red star"}, {"text": ""}, image(BRIGHT), {"text": f"here{EOC}two"})
    row = [pixels(DARK), "a red star", EOC, pixels(BRIGHT), "here", EOC, "two"]
    (wanted,) = generate(responder.model, [row], VOCABULARY, responder.decoding)
    assert reply_to(body, responder) == wanted


def test_a_prompt_that_ends_with_the_keyword_of_replies_is_a_dialogue() -> None:
    assert form_of([{"text": "Q: is it? A: "}], FORM) == FORM
    assert form_of([{"text": "Q: is it?"}], FORM) == COMPLETION
    assert form_of([{"text": "A:"}, image(DARK)], DialogueForm(asks="", answers="")) == COMPLETION


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\xff", "malformed .reload the page"),
        (b"[" * 100_000, "malformed"),
        (b"[]", "malformed"),
        (b"{}", "malformed"),
        (request({"text": 3}), "malformed"),
        (request({"text": "a", "name": "b"}), "malformed"),
        (request({"image": "no base64!", "name": "a"}), "malformed"),
        (request(), "the prompt is empty .add a picture or a text"),
        (request({"text": ""}), "the prompt is empty"),
        (request(image(b"no picture", "notes.txt")), r"notes\.txt: the image cannot be decoded"),
        (request({"text": "an <image> tag"}), "a text has the tag <image> .add the picture"),
        (request(*[image(b"")] * (MOST_IMAGES + 1)), "17 pictures .give 16 at most"),
        (request({"text": "a" * MOST_TEXT}, {"text": "b"}), "the texts are too long"),
        (request({"text": "\udce9"}), "not valid Unicode"),
    ],
)
def test_what_cannot_be_read_is_refused_in_plain_words(responder: Responder, body: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        reply_to(body, responder)


def test_an_image_over_the_limit_is_not_decoded(responder: Responder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_request, "MOST_IMAGE_BYTES", 30)
    with pytest.raises(InputError, match=r"b\.png: the file is too large"):
        reply_to(request(image(DARK, "b.png")), responder)
