"""Texts of the bundled website: sentences from a small grammar, about its pictures and about other things."""

import re
from collections.abc import Sequence

import numpy as np

from corpusloom.pipelines.demo.drawing import COLOURS, NUMBERS, SHAPES, Picture

_PEOPLE = (
    "the baker", "an old sailor", "our neighbour", "the painter", "a young teacher", "the gardener", "my sister",
    "the night guard", "a quiet visitor", "the clockmaker", "a travelling singer", "the librarian", "two students",
    "the harbour master", "her grandfather", "a careful carpenter", "the postman", "some children", "a retired pilot",
)  # fmt: skip
_VERBS = (
    "carried", "discovered", "remembered", "described", "borrowed", "repaired", "photographed", "sold", "protected",
    "painted", "counted", "admired", "collected", "drew", "noticed", "measured", "returned", "forgot", "copied",
)  # fmt: skip
_THINGS = (
    "a wooden box", "the morning paper", "an empty bottle", "three silver coins", "the long ladder", "a bundle of letters",
    "the broken lamp", "a map of the valley", "some dried herbs", "a basket of apples", "the blue teapot", "an iron key",
    "the guest book", "a pair of gloves", "the weather report", "a small engine", "the church bell", "a box of chalk",
)  # fmt: skip
_PLACES = (
    "beside the river", "behind the old theatre", "in the upper town", "at the end of the pier", "near the stone bridge",
    "under the railway arches", "on the market square", "in a room full of clocks", "along the northern road",
    "in the shade of the elm trees", "between two narrow houses", "at the edge of the forest", "above the bakery",
)  # fmt: skip
_TIMES = (
    "on a windy morning", "long before breakfast", "after the first snow", "during the summer fair", "late in autumn",
    "when the lights went out", "before the boats came back", "in the week of the flood", "every second Sunday",
    "while the bells were ringing", "shortly after midnight", "on the last day of school", "at the start of spring",
)  # fmt: skip
_REASONS = (
    "because nobody else wanted to", "so that the others would find it", "although it was already late",
    "and that was the beginning of a long friendship", "with more patience than luck", "to the surprise of the whole street",
    "and never told anyone about it", "which made the evening seem shorter", "as if nothing had happened",
    "and the story was soon known everywhere", "though the rain had not stopped", "for a price that seemed fair",
)  # fmt: skip
_REMARKS = (
    "The {0} colour is clear even from far away.", "It took a whole afternoon to draw the {1}.",
    "Children point at the {0} {1} first.", "You can tell the {1} by its outline.", "The paper is {2} and the lines are {3}.",
    "Against the {2} ground the {0} stands out.", "Its {3} pattern was cut by hand.", "Every {1} in this room is {0}.",
    "That {0} was mixed from two older paints.", "A {2} sheet was used for the background.",
)  # fmt: skip
_CAPTIONS = (
    "{noun} {place} on a {pattern} {background} background", "{noun} on a {background} {pattern} ground",
    "{noun} {place}, {background} and {pattern}", "{noun} drawn on {pattern} {background} paper", "{noun} {place}",
    "picture of {noun} over a {pattern} {background} pattern", "{noun} against a {pattern} {background} wall",
)  # fmt: skip


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def noun_phrase(picture: Picture) -> str:
    """Return a picture's contents as a noun phrase: a large red star, two small blue rings."""
    number = NUMBERS[picture.count]
    if picture.count > 1:
        return f"{number} {picture.size} {picture.colour} {_plural(picture.shape)}"
    return f"{number} {picture.size} {picture.colour} {picture.shape}"


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith(("s", "x", "ch")) else f"{noun}s"


_LABEL = re.compile(rf"\b({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})(?:e?s)?\b")


def label_of(text: str) -> str | None:
    """Return the class, colour and shape, that a caption names; None if it names none."""
    return " ".join(attributes_of(text).values()) or None


def attributes_of(text: str) -> dict[str, str]:
    """Return colour and shape that a caption names beside each other; nothing if it names none."""
    found = _LABEL.search(text)
    return {"colour": found[1], "shape": found[2]} if found else {}


def house_style(number: int) -> str:
    """Return the template of all captions of a page, so that one caption tells the form of the next; pages of consecutive numbers differ."""
    return _CAPTIONS[number % len(_CAPTIONS)]


def caption(picture: Picture, style: str) -> str:
    """Return a picture's caption: 4 to 14 words on its objects, their place and the background."""
    return style.format(
        noun=noun_phrase(picture),
        place=picture.place if picture.count == 1 else "in a row",
        pattern=picture.pattern,
        background=picture.background,
    )


def remark(picture: Picture) -> str:
    """Return a sentence about a picture, or one that has nothing to do with it."""
    rng = np.random.default_rng([picture.seed, 5])
    if rng.random() < 0.75:
        # The seeds of a page's pictures are consecutive, so no remark comes twice.
        chosen = _REMARKS[picture.seed % len(_REMARKS)]
        return chosen.format(picture.colour, picture.shape, picture.background, picture.pattern)
    return sentence(rng)


def sentence(rng: np.random.Generator) -> str:
    """Return a sentence of one or two clauses."""
    parts = [_pick(rng, _PEOPLE), _pick(rng, _VERBS), _pick(rng, _THINGS), _pick(rng, _PLACES)]
    if rng.random() < 0.7:
        parts.append(_pick(rng, _TIMES))
    text = " ".join(parts)
    if rng.random() < 0.6:
        text = f"{text} {_pick(rng, _REASONS)}"
    if rng.random() < 0.25:
        text = f"{_pick(rng, _TIMES)} {text}"
    return f"{text[0].upper()}{text[1:]}."


def story(seed: int, sentences: int) -> str:
    """Return a paragraph of sentences."""
    rng = np.random.default_rng([seed, 13])
    return " ".join(sentence(rng) for _ in range(sentences))


def title(seed: int, topic: str) -> str:
    """Return a page's title."""
    rng = np.random.default_rng([seed, 17])
    thing = _pick(rng, _THINGS).split(" ", 1)[1]
    return f"{topic}: {thing} and other findings, part {seed % 97 + 1}"


PROMPTS = (
    "{}",
    "a large {}",
    "a medium {}",
    "a small {} in the middle",
    "a medium {} on a striped background",
    "picture of a large {}",
)
"""Templates for zero-shot classification, in the words of the captions: a size between article and colour."""
