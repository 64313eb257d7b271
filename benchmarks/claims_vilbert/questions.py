"""What is asked about a scene, with the right answers: questions, choices with rationales, and expressions."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

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
        tuple(f"the {size} one is on the {side}" for size, side in ((thing.size, thing.side), *wrong)),
    )


def expressions(scene: Scene) -> Iterator[tuple[int, str]]:
    """Yield numbers of objects with an expression that fits no other object of the scene."""
    rng = scene.rng(13)
    for at in rng.permutation(len(scene.things))[:EXPRESSIONS]:
        thing = scene.things[at]
        others = [other for other in scene.things if other is not thing]
        options = [thing.name]
        options += [f"{thing.size} {thing.shape}"] * all((o.size, o.shape) != (thing.size, thing.shape) for o in others)
        options += [f"{thing.shape} on the {thing.side}"] * all(
            (o.side, o.shape) != (thing.side, thing.shape) for o in others
        )
        options += [f"{thing.size} {thing.colour} thing"] * all(
            (o.size, o.colour) != (thing.size, thing.colour) for o in others
        )
        yield int(at), options[int(rng.integers(len(options)))]


def words() -> list[str]:
    """Return all words of captions, questions, choices and expressions."""
    text = (
        "a and the on of to is it there what colour how small or large one thing left right above below yes no ? "
        "in picture"
    )
    return [*text.split(), *COLOURS, *SHAPES]
