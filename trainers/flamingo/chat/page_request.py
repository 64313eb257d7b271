"""The interleaved prompt that the page of `loom chat` sends, read with limits."""

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.chat.dialogue import DialogueForm, Turn
from corpusloom.trainers.flamingo.chat.session import Responder
from corpusloom.trainers.flamingo.data import IMAGE_TAG
from corpusloom.trainers.flamingo.prompts.images import decode_image
from corpusloom.trainers.flamingo.prompts.sequence import Piece, parse_prompt

MOST_IMAGES = 16
MOST_IMAGE_BYTES = 8 << 20
"""Bytes of one image file."""
MOST_TEXT = 20_000
"""Characters of all texts of a prompt."""
MOST_BODY = 64 << 20
"""Bytes of a request; images are in base64."""


def limits() -> dict[str, int]:
    """Return the limits that the page checks before it sends anything."""
    return {"images": MOST_IMAGES, "bytes": MOST_IMAGE_BYTES, "text": MOST_TEXT, "body": MOST_BODY}


def reply_to(body: bytes, responder: Responder) -> str:
    """Return the model's reply to a request, {"pieces": [{"text": str} or {"image": base64, "name": str}, ...]}.

    A prompt whose last text ends with the keyword of replies is a dialogue, whose reply ends where another turn begins.
    Raises LoomError, in words for the page's user, for a request that is malformed, empty or over the limits, an image
    that cannot be decoded, and a prompt that does not fit the context.
    """
    pieces = _read(body)
    form = form_of(pieces, responder.form)
    row: list[Piece] = []
    for piece in pieces:
        row += parse_prompt(piece["text"], ()) if "text" in piece else [_pixels(piece, responder)]
    turns, _ = replace(responder, form=form).respond([Turn(row)])
    return turns[-1].reply


def form_of(pieces: list[dict[str, str]], form: DialogueForm) -> DialogueForm:
    """Return the form of a dialogue if the prompt ends with its keyword of replies, else that of texts as they are."""
    last = pieces[-1].get("text", "").rstrip()
    return form if form.answers and last.endswith(form.answers) else replace(form, asks="", answers="")


def _read(body: bytes) -> list[dict[str, str]]:
    """Return the pieces of a request, with texts and images within the limits; empty texts are left out."""
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _malformed() from error
    pieces = found.get("pieces") if isinstance(found, dict) else None
    if not isinstance(pieces, list) or not all(map(_is_piece, pieces)):
        raise _malformed()
    kept = [piece for piece in pieces if piece.get("text") != ""]
    if not kept:
        raise InputError("the prompt is empty", remedy="add a picture or a text")
    images = sum("image" in piece for piece in kept)
    if images > MOST_IMAGES:
        raise InputError(f"{images} pictures", remedy=f"give {MOST_IMAGES} at most")
    if sum(len(piece.get("text", "")) for piece in kept) > MOST_TEXT:
        raise InputError("the texts are too long", remedy=f"write {MOST_TEXT:,} characters at most")
    if any(IMAGE_TAG in piece.get("text", "") for piece in kept):
        raise InputError(f"a text has the tag {IMAGE_TAG}", remedy="add the picture in its place")
    if any("\ud800" <= letter <= "\udfff" for piece in kept for letter in piece.get("text", "")):
        raise InputError("a text is not valid Unicode", remedy="write it again")
    return kept


def _is_piece(piece: object) -> bool:
    return (
        isinstance(piece, dict)
        and piece.keys() in ({"text"}, {"image", "name"})
        and all(isinstance(value, str) for value in piece.values())
    )


def _pixels(piece: dict[str, str], responder: Responder) -> np.ndarray:
    """Return the pixels of an image, (1, 3, S, S) uint8."""
    if len(piece["image"]) > MOST_IMAGE_BYTES * 4 // 3 + 4:
        raise InputError("the file is too large", where=piece["name"], remedy=f"{MOST_IMAGE_BYTES >> 20} MB at most")
    try:
        data = base64.b64decode(piece["image"], validate=True)
    except ValueError as error:
        raise _malformed() from error
    return decode_image(data, piece["name"], responder.transform)


def _malformed() -> InputError:
    return InputError("the request is malformed", remedy="reload the page")
