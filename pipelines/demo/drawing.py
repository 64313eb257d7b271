"""Drawing of the bundled website's pictures: coloured shapes of several counts, sizes and places, on patterns.

Pixels depend on the `Picture` alone, so nothing is stored and two machines draw the same scene. Backgrounds are muted
and patterned, so that no picture has a single colour, and no two pictures of one shape are near-duplicates by
perceptual hash and colour.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

COLOURS = {
    "red": (208, 38, 38),
    "orange": (242, 140, 20),
    "yellow": (240, 212, 40),
    "green": (44, 152, 62),
    "blue": (38, 86, 208),
    "purple": (132, 48, 172),
}
SHAPES = (
    "circle", "square", "triangle", "star", "heart", "cross", "ring", "diamond", "hexagon", "crescent", "arrow", "flower",
)  # fmt: skip
BACKGROUNDS = {
    "grey": (150, 152, 156),
    "cream": (236, 226, 200),
    "brown": (122, 96, 74),
    "pink": (232, 190, 198),
    "teal": (110, 158, 158),
    "white": (244, 244, 242),
    "slate": (84, 96, 112),
}
PATTERNS = ("striped", "dotted", "checked", "shaded", "wavy")
SIZES = {"small": 0.40, "medium": 0.52, "large": 0.68}
PLACES = {
    "in the middle": (0.5, 0.5),
    "on the left": (0.34, 0.5),
    "on the right": (0.66, 0.5),
    "near the top": (0.5, 0.36),
    "near the bottom": (0.5, 0.64),
}
NUMBERS = {1: "a", 2: "two", 3: "three"}
UNSEEN = tuple((colour, shape) for colour, shape in zip(tuple(COLOURS) + ("red", "blue"), SHAPES[::-1], strict=False))[
    :8
]
"""Combinations of colour and shape that no page shows, held out to test composition."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One scene: its named properties, and the seed of its random details."""

    colour: str
    shape: str
    count: int
    size: str
    place: str
    background: str
    pattern: str
    width: int
    height: int
    seed: int

    @property
    def label(self) -> str:
        """Return the class: colour and shape."""
        return f"{self.colour} {self.shape}"


def combinations() -> list[str]:
    """Return all classes, colours by shapes, also those that no page shows."""
    return [f"{colour} {shape}" for shape in SHAPES for colour in COLOURS]


def classes() -> list[str]:
    """Return the classes that pages show, in order."""
    unseen = {f"{colour} {shape}" for colour, shape in UNSEEN}
    return [label for label in combinations() if label not in unseen]


def make_picture(label: str, seed: int) -> Picture:
    """Return a picture of a class; the seed determines all other properties."""
    rng = np.random.default_rng([seed, 7])
    colour, shape = label.split()

    def pick(names: list[str]) -> str:
        return names[int(rng.integers(len(names)))]

    width = int(rng.integers(224, 361))
    return Picture(
        colour=colour,
        shape=shape,
        count=int(rng.choice([1, 1, 1, 1, 1, 2, 2, 3])),
        size=pick(list(SIZES)),
        place=pick(list(PLACES)),
        background=pick(list(BACKGROUNDS)),
        pattern=pick(list(PATTERNS)),
        width=width,
        height=int(min(max(width * rng.uniform(0.75, 1.33), 224), 400)),
        seed=seed,
    )


def draw(picture: Picture) -> np.ndarray:
    """Return the picture as RGB uint8 (height, width, 3)."""
    rng = np.random.default_rng([picture.seed, 11])
    canvas = _background(picture, rng)
    for x, y, side, angle in _placements(picture, rng):
        outline = OUTLINES[picture.shape](side / 2)
        turned = outline @ _turn(angle).T + (x, y)
        colour = np.clip(np.array(COLOURS[picture.colour]) + rng.integers(-14, 15, 3), 0, 255)
        shadow = turned + (side * 0.03, side * 0.04)
        _fill(canvas, shadow, tuple(int(v * 0.55) for v in canvas.mean(axis=(0, 1))))
        _fill(canvas, turned, tuple(int(v) for v in colour))
        if picture.shape == "ring":
            hole = OUTLINES["circle"](side * 0.25) + (x, y)
            patch = np.array(BACKGROUNDS[picture.background])
            _fill(canvas, hole, tuple(int(v) for v in patch))
    noise = rng.integers(0, 9, (picture.height // 2 + 1, picture.width // 2 + 1), dtype=np.uint8)
    grain = cv2.cvtColor(cv2.resize(noise, (picture.width, picture.height)), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.add(cv2.subtract(canvas, np.full_like(canvas, 4)), grain))


def _placements(picture: Picture, rng: np.random.Generator) -> list[tuple[float, float, float, float]]:
    """Return centre, side and angle of each object: one at the picture's place, several in a row."""
    short = min(picture.width, picture.height)
    side = short * SIZES[picture.size] * rng.uniform(0.92, 1.08)
    if picture.count == 1:
        fx, fy = PLACES[picture.place]
        jitter = rng.uniform(-0.04, 0.04, 2)
        x = float(np.clip((fx + jitter[0]) * picture.width, side / 2, picture.width - side / 2))
        y = float(np.clip((fy + jitter[1]) * picture.height, side / 2, picture.height - side / 2))
        return [(x, y, side, float(rng.uniform(-14, 14)))]
    side = min(side, picture.width / picture.count) * 0.9
    step = picture.width / picture.count
    return [
        (
            step * (number + 0.5),
            picture.height * (0.5 + float(rng.uniform(-0.14, 0.14))),
            side,
            float(rng.uniform(-14, 14)),
        )
        for number in range(picture.count)
    ]


def _turn(degrees: float) -> np.ndarray:
    radians = math.radians(degrees)
    return np.array([[math.cos(radians), -math.sin(radians)], [math.sin(radians), math.cos(radians)]])


def _fill(canvas: np.ndarray, points: np.ndarray, colour: tuple[int, ...]) -> None:
    cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)


def _background(picture: Picture, rng: np.random.Generator) -> np.ndarray:
    """Return the patterned background as uint8."""
    height, width = picture.height, picture.width
    base = (np.array(BACKGROUNDS[picture.background]) + rng.uniform(-8, 8, 3)).astype(np.float32)
    other = np.clip(base * rng.uniform(0.70, 0.84) + rng.uniform(-6, 6, 3), 0, 255).astype(np.float32)
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    period, angle = float(rng.uniform(16, 44)), float(rng.uniform(0, math.pi))
    along = x * math.cos(angle) + y * math.sin(angle)
    across = -x * math.sin(angle) + y * math.cos(angle)
    masks: dict[str, Callable[[], np.ndarray]] = {
        "striped": lambda: np.sin(along * 2 * math.pi / period) > 0,
        "dotted": lambda: (np.sin(along * 2 * math.pi / period) + np.sin(across * 2 * math.pi / period)) > 0.9,
        "checked": lambda: (np.sin(along * math.pi / period) * np.sin(across * math.pi / period)) > 0,
        "shaded": lambda: (along - along.min()) / max(float(np.ptp(along)), 1.0),
        "wavy": lambda: np.sin((along + 9 * np.sin(across * 2 * math.pi / (period * 2))) * 2 * math.pi / period) > 0,
    }
    mask = masks[picture.pattern]().astype(np.float32)[..., None]
    light = 1 + 0.16 * (x / width * rng.uniform(-1, 1) + y / height * rng.uniform(-1, 1))
    ground = (base + (other - base) * mask) * light[..., None]
    return np.ascontiguousarray(np.clip(ground, 0, 255, out=ground).astype(np.uint8))


def _regular(corners: int, turn: float = -90.0) -> Callable[[float], np.ndarray]:
    angles = np.radians(turn + 360 * np.arange(corners) / corners)
    return lambda radius: np.stack([np.cos(angles), np.sin(angles)], 1) * radius


def _star(radius: float) -> np.ndarray:
    angles = np.radians(-90 + 36 * np.arange(10))
    reach = np.where(np.arange(10) % 2 == 0, 1.0, 0.42) * radius
    return np.stack([np.cos(angles), np.sin(angles)], 1) * reach[:, None]


def _heart(radius: float) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 80)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x, y], 1) / 17 * radius


def _cross(radius: float) -> np.ndarray:
    a, b = radius, radius * 0.34
    return np.array([(-b, -a), (b, -a), (b, -b), (a, -b), (a, b), (b, b), (b, a), (-b, a), (-b, b), (-a, b), (-a, -b), (-b, -b)])  # fmt: skip


def _crescent(radius: float) -> np.ndarray:
    outer = np.radians(np.linspace(50, 310, 50))
    inner = np.radians(np.linspace(300, 60, 50))
    far = np.stack([np.cos(outer), np.sin(outer)], 1)
    near = np.stack([np.cos(inner) * 0.78 + 0.36, np.sin(inner) * 0.88], 1)
    return np.concatenate([far, near]) * radius


def _arrow(radius: float) -> np.ndarray:
    points = [(-1, -0.3), (0.1, -0.3), (0.1, -0.8), (1, 0), (0.1, 0.8), (0.1, 0.3), (-1, 0.3)]
    return np.array(points) * radius


def _flower(radius: float) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 120)
    reach = (0.62 + 0.38 * np.abs(np.cos(2.5 * t))) * radius
    return np.stack([np.cos(t), np.sin(t)], 1) * reach[:, None]


OUTLINES: dict[str, Callable[[float], np.ndarray]] = {
    "circle": _regular(64),
    "square": lambda radius: _regular(4, -45.0)(radius * 1.2),
    "triangle": lambda radius: _regular(3)(radius * 1.1),
    "star": _star,
    "heart": _heart,
    "cross": _cross,
    "ring": _regular(64),
    "diamond": lambda radius: _regular(4)(radius) * (0.72, 1.1),
    "hexagon": _regular(6, 0.0),
    "crescent": _crescent,
    "arrow": _arrow,
    "flower": _flower,
}
"""Shape -> its outline (n, 2) around the origin, given a radius in pixels."""


def encode(rgb: np.ndarray, extension: str) -> bytes:
    """Return a picture as jpg, png or webp."""
    options = {
        "jpg": [cv2.IMWRITE_JPEG_QUALITY, 90],
        "png": [cv2.IMWRITE_PNG_COMPRESSION, 4],
        "webp": [cv2.IMWRITE_WEBP_QUALITY, 88],
    }[extension]
    done, data = cv2.imencode(f".{extension}", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"{extension} cannot be encoded")
    return bytes(data.tobytes())


def evaluation_pictures(per_class: int = 5) -> list[Picture]:
    """Return new pictures of every class that pages show: other seeds, so other scenes."""
    return [
        make_picture(label, 5_000_000 + 1_000 * number + index)
        for number, label in enumerate(classes())
        for index in range(per_class)
    ]


def unseen_pictures(per_class: int = 8) -> list[Picture]:
    """Return pictures of the combinations that no page shows."""
    return [
        make_picture(f"{colour} {shape}", 8_000_000 + 1_000 * number + index)
        for number, (colour, shape) in enumerate(UNSEEN)
        for index in range(per_class)
    ]
