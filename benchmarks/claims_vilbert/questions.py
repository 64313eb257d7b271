"""Questions, choices with rationales and referring expressions about a scene, with the right answers."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.claims_vilbert.world import COLOURS, SHAPES, SIZES, Scene, Thing, relation

QUESTIONS = 4
"""Questions about each scene."""
EXPRESSIONS = 3
"""Objects of each scene to which an expression refers."""
CHOICES = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its answer."""

    text: str
    answer: str
    type: str
    """VQA's type of the answer: yes/no, number or other."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A question about one object with four answers, and four rationales; the first of each are the right ones."""

    thing: int
    """Number of the object."""
    answers: tuple[str, ...]
    rationales: tuple[str, ...]


def questions(scene: Scene) -> list[Asked]:
    """Return QUESTIONS questions: on a colour, a size, whether an object is there, and how two stand."""
    rng = scene.rng(11)
    return [_colour(scene, rng), _size(scene, rng), _existence(scene, rng), _standing(scene, rng)]


def _single(scene: Scene, rng: np.random.Generator) -> Thing:
    """Return an object whose shape no other has."""
    counts = Counter(thing.shape for thing in scene.things)
    found = [thing for thing in scene.things if counts[thing.shape] == 1]
    return found[int(rng.integers(len(found)))]


def _colour(scene: Scene, rng: np.random.Generator) -> Asked:
    thing = _single(scene, rng)
    return Asked(f"what colour is the {thing.shape}?", thing.colour, "other")


def _size(scene: Scene, rng: np.random.Generator) -> Asked:
    thing = scene.things[int(rng.integers(len(scene.things)))]
    return Asked(f"is the {thing.name} small or large?", thing.size, "other")


def _existence(scene: Scene, rng: np.random.Generator) -> Asked:
    """Ask for an object that is there, or for one whose colour and shape are there, but not together."""
    there = {(thing.colour, thing.shape) for thing in scene.things}
    colours, shapes = ({getattr(thing, name) for thing in scene.things} for name in ("colour", "shape"))
    absent = sorted({(colour, shape) for colour in colours for shape in shapes} - there)
    yes = rng.random() < 0.5 or not absent
    options = sorted(there) if yes else absent
    colour, shape = options[int(rng.integers(len(options)))]
    return Asked(f"is there a {colour} {shape}?", "yes" if yes else "no", "yes/no")


def _standing(scene: Scene, rng: np.random.Generator) -> Asked:
    first, second = (scene.things[at] for at in rng.permutation(len(scene.things))[:2])
    return Asked(f"how is the {first.name} to the {second.name}?", relation(first, second).split()[0], "other")


def choices(scene: Scene) -> Chosen:
    """Return the colour of an object, and as the rationale its size and half of the picture, among wrong ones."""
    rng = scene.rng(12)
    thing = _single(scene, rng)
    others = [colour for colour in COLOURS if colour != thing.colour]
    others.sort(key=lambda colour: (all(colour != other.colour for other in scene.things), rng.random()))
    sides = ("left", "right")
    wrong = [(size, side) for size in SIZES for side in sides if (size, side) != (thing.size, thing.side)]
    return Chosen(
        scene.things.index(thing),
        tuple(f"it is {colour}" for colour in (thing.colour, *others[: CHOICES - 1])),
        tuple(f"the {size} {thing.shape} is on the {side}" for size, side in ((thing.size, thing.side), *wrong)),
    )


def expressions(scene: Scene) -> Iterator[tuple[int, str]]:
    """Yield numbers of objects with an expression that fits no other object of the scene."""
    rng = scene.rng(13)
    for at in rng.permutation(len(scene.things))[:EXPRESSIONS]:
        thing = scene.things[at]
        options = [thing.name, *(text for text, fits in _readings(scene, thing) if sum(map(fits, scene.things)) == 1)]
        yield int(at), options[int(rng.integers(len(options)))]


def _readings(scene: Scene, thing: Thing) -> Iterator[tuple[str, Callable[[Thing], bool]]]:
    """Yield expressions of an object without its full name, and whether one fits an object."""
    yield f"{thing.size} {thing.shape}", lambda o: (o.size, o.shape) == (thing.size, thing.shape)
    yield f"{thing.shape} on the {thing.side}", lambda o: (o.side, o.shape) == (thing.side, thing.shape)
    yield f"{thing.size} {thing.colour} thing", lambda o: (o.size, o.colour) == (thing.size, thing.colour)
    for other in scene.things:
        if other.shape != thing.shape:
            how = relation(thing, other)
            yield f"{thing.shape} {how} the {other.name}", partial(_stands, shape=thing.shape, how=how, other=other)


def _stands(thing: Thing, *, shape: str, how: str, other: Thing) -> bool:
    return thing.shape == shape and relation(thing, other) == how


def words() -> list[str]:
    """Return all words of captions, questions, choices and expressions."""
    text = "a and the on of to is it there what colour how small or large thing left right above below yes no ?"
    return [*text.split(), *COLOURS, *SHAPES]
