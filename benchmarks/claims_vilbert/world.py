"""Scenes of coloured shapes: their objects, a caption, a picture, and regions as a detector would give them.

A scene depends on its number alone. Its objects stand in different cells of a grid, and no two have both colour and
shape in common.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from corpusloom.pipelines.demo import drawing

WIDTH, HEIGHT, CELL = 400, 300, 100
"""Sides of a picture and of a cell of its grid in pixels."""
COLOURS = ("red", "yellow", "green", "blue")
SHAPES = ("circle", "triangle", "star", "ring")
SIZES = {"small": 44, "large": 84}
"""Size -> side of the box in pixels."""
FEATURES = 64
"""Values of a region's feature."""
CLASSES = len(SHAPES) + 1
"""Classes of the detector: shapes and background."""
NOISE = 0.6
"""Standard deviation of a feature's noise; a colour's, shape's and size's own values have a deviation of 1."""
GROUNDS = 2
"""Regions of background in each scene."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One object, and its centre in pixels."""

    colour: str
    shape: str
    size: str
    x: float
    y: float

    @property
    def name(self) -> str:
        """Return colour and shape."""
        return f"{self.colour} {self.shape}"

    @property
    def box(self) -> np.ndarray:
        """Return the corners in pixels, (4,)."""
        half = SIZES[self.size] / 2
        return np.array([self.x - half, self.y - half, self.x + half, self.y + half], np.float32)

    @property
    def side(self) -> str:
        """Return the half of the picture: left or right."""
        return "left" if self.x < WIDTH / 2 else "right"


@dataclass(frozen=True)
class Scene:
    """Objects of one picture."""

    number: int
    things: tuple[Thing, ...]

    def rng(self, purpose: int) -> np.random.Generator:
        """Return the generator of one purpose."""
        return np.random.default_rng([self.number, purpose])

    @cached_property
    def caption(self) -> str:
        """Return a caption that names two or three objects and how two of them stand."""
        rng = self.rng(1)
        chosen = [self.things[at] for at in rng.permutation(len(self.things))]
        first, second, third = chosen[:3]
        text = f"a {first.size} {first.name} {relation(first, second)} a {second.size} {second.name}"
        return text if rng.random() < 0.4 else f"{text} and a {third.name} on the {third.side}"

    @cached_property
    def regions(self) -> dict[str, np.ndarray]:
        """Return boxes (n, 4), features (n, FEATURES) and class_probs (n, CLASSES) of a noisy detector, shuffled."""
        rng = self.rng(2)
        codes = [_code(thing) for thing in self.things] + [_GROUND] * GROUNDS
        boxes = np.stack([thing.box for thing in self.things] + [_ground_box(rng) for _ in range(GROUNDS)])
        classes = [SHAPES.index(thing.shape) for thing in self.things] + [len(SHAPES)] * GROUNDS
        logits = rng.normal(0, 1, (len(boxes), CLASSES))
        logits[np.arange(len(boxes)), classes] += 4
        order = rng.permutation(len(boxes))
        probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        features = np.stack(codes) + rng.normal(0, NOISE, (len(boxes), FEATURES))
        jittered = np.clip(boxes + rng.normal(0, 2, boxes.shape), 0, [WIDTH, HEIGHT] * 2)
        return {
            "boxes": jittered[order].astype(np.float32),
            "features": features[order].astype(np.float16),
            "class_probs": probabilities[order].astype(np.float16),
        }

    def picture(self) -> bytes:
        """Return the picture as a JPEG."""
        rng = self.rng(3)
        canvas = np.full((HEIGHT, WIDTH, 3), rng.integers(200, 240, 3), np.uint8)
        for thing in self.things:
            outline = drawing.OUTLINES[thing.shape](SIZES[thing.size] / 2) + (thing.x, thing.y)
            cv2.fillPoly(canvas, [np.round(outline).astype(np.int32)], drawing.COLOURS[thing.colour], cv2.LINE_AA)
        return drawing.encode(canvas, "jpg")


def make_scene(number: int) -> Scene:
    """Return a scene of four to six objects: some share a colour and some a shape, and one has a shape of its own."""
    rng = np.random.default_rng([number, 0])
    while True:
        names = _draw_names(rng)
        shapes = [shape for _, shape in names]
        if any(shapes.count(shape) == 1 for shape in shapes):
            break
    cells = rng.permutation((WIDTH // CELL) * (HEIGHT // CELL))[: len(names)]
    things = []
    for (colour, shape), cell in zip(names, cells, strict=True):
        size = tuple(SIZES)[int(rng.integers(2))]
        room = (CELL - SIZES[size]) / 2
        x, y = (CELL * (place + 0.5) + float(rng.uniform(-room, room)) for place in (cell % 4, cell // 4))
        things.append(Thing(colour, shape, size, x, y))
    return Scene(number, tuple(things))


def _draw_names(rng: np.random.Generator) -> list[tuple[str, str]]:
    """Return different pairs of three colours and any shapes."""
    colours, shapes = rng.permutation(len(COLOURS))[:3], rng.permutation(len(SHAPES))
    pairs = [(COLOURS[colour], SHAPES[shape]) for colour in colours for shape in shapes]
    return [pairs[at] for at in rng.permutation(len(pairs))[: int(rng.integers(4, 7))]]


def relation(first: Thing, second: Thing) -> str:
    """Return how one object stands to another, along the axis on which they are further apart."""
    across, down = first.x - second.x, first.y - second.y
    if abs(across) >= abs(down):
        return "left of" if across < 0 else "right of"
    return "above" if down < 0 else "below"


def _code(thing: Thing) -> np.ndarray:
    """Return the feature of an object without noise: its attributes' values, and those of colour and shape together."""
    attributes = ((thing.colour,), (thing.shape,), (thing.size,), (thing.colour, thing.shape))
    return np.sum([_CODES[attribute] for attribute in attributes], 0)


def _ground_box(rng: np.random.Generator) -> np.ndarray:
    low = rng.uniform(0, (WIDTH - 150, HEIGHT - 150))
    return np.concatenate([low, low + rng.uniform(80, 150, 2)])


def _make_codes() -> dict[tuple[str, ...], np.ndarray]:
    rng = np.random.default_rng(7)
    singles = [(name,) for name in (*COLOURS, *SHAPES, *SIZES, "ground")]
    both = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    return {name: rng.normal(0, 1, FEATURES) for name in singles} | {
        name: rng.normal(0, 0.7, FEATURES) for name in both
    }


_CODES = _make_codes()
_GROUND = _CODES["ground",]
