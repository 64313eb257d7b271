"""Draws docs/architecture.svg: the rooms of the code by floor, and the imports between them.

The floors are those of the layers contract in pyproject.toml, the sentences those of the table of rooms in
docs/architecture.md, the arrows the imports in the code. `python infra/draw_architecture.py` writes the picture; a test
fails when it is out of date.
"""

import ast
import re
import tomllib
from collections import Counter
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "architecture.svg"
PACKAGE = "corpusloom."
EVERYBODY = "schemas"
"""The room that all others import; its arrows are left out, since they would hide the others."""
WIDTH, MARGIN, ROOM_HEIGHT, FLOOR_GAP, ARROW_GAP, HEAD = 1180, 20, 74, 54, 17, 7
Box = tuple[float, float, float]
"""Left, top and width of a room."""
STYLE = """
  text { font-family: system-ui, sans-serif; fill: #1d2733 } .name { font-weight: 600; font-size: 15px }
  .line { font-size: 11px; fill: #4a5868 } .floor { font-size: 11px; fill: #7b8794 }
  rect { fill: #f4f7fb; stroke: #9fb3c8; rx: 8 } path { stroke: #9fb3c8; fill: none; opacity: .7 }
  .head { fill: #9fb3c8; stroke: none; opacity: 1 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e8eef5 } .line { fill: #b3c0cf } rect { fill: #1f2a36; stroke: #51667c } path { stroke: #6d8299 }
    .head { fill: #6d8299 }
  }
"""


def floors() -> list[list[str]]:
    """Return the rooms of each floor, top floor first, as the layers contract names them."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[room.strip().removeprefix(PACKAGE) for room in layer.split("|")] for layer in layers]


def sentences() -> dict[str, str]:
    """Return the sentence on each room from the table in docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    return {
        name.replace("/", "."): line.replace("`", "")
        for name, line in re.findall(r"^\| `([\w/]+)/` \| ([^|]+?) \|", text, re.M)
    }


def imports(rooms: list[str]) -> Counter[tuple[str, str]]:
    """Return (room, imported room) -> number of import statements."""
    found: Counter[tuple[str, str]] = Counter()
    for room in rooms:
        for path in sorted((ROOT / room.replace(".", "/")).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGE):
                    for name in node.names:
                        target = f"{node.module.removeprefix(PACKAGE)}.{name.name}."
                        other = next((other for other in rooms if target.startswith(f"{other}.")), room)
                        if other not in (room, EVERYBODY):
                            found[room, other] += 1
    return found


def thickness(number: int) -> float:
    """Return an arrow's width in pixels, in coarse steps, so that one more import rarely changes the picture."""
    return next(width for least, width in ((40, 5.0), (20, 3.0), (5, 1.6), (0, 0.8)) if number >= least)


def ends(source: Box, target: Box, number: int, of: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where an arrow begins and ends, `number` being the source's place among the `of` sources of the target.

    Where the boxes overlap, an arrow is a vertical line beside those of other sources, so that a reader can follow it
    behind a box.
    """
    narrow = min(source, target, key=lambda box: box[2])
    x = narrow[0] + narrow[2] / 2 + (number - (of - 1) / 2) * ARROW_GAP
    begin, end = (min(max(x, box[0] + ARROW_GAP), box[0] + box[2] - ARROW_GAP) for box in (source, target))
    return (begin, source[1] + ROOM_HEIGHT), (end, target[1] - HEAD)


def wrapped(text: str, characters: int) -> list[str]:
    """Return a sentence in lines of at most `characters` characters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) + 1 > characters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def draw() -> str:
    """Return the picture as SVG; the same code gives the same bytes."""
    levels, text = floors(), sentences()
    rooms = [room for level in levels for room in level]
    places: dict[str, Box] = {}
    y = float(MARGIN)
    for level in levels:
        width = (WIDTH - 2 * MARGIN - 12 * (len(level) - 1)) / len(level)
        for index, room in enumerate(level):
            places[room] = (MARGIN + index * (width + 12), y, width)
        y += ROOM_HEIGHT + FLOOR_GAP
    boxes, arrows = [], []
    counted = imports(rooms)
    for source, target in sorted(counted):
        importers = [room for room in rooms if (room, target) in counted]
        (x, y), (other_x, other_y) = ends(places[source], places[target], importers.index(source), len(importers))
        middle = (y + other_y) / 2
        arrows.append(
            f'<path d="M{x:.0f} {y:.0f} C{x:.0f} {middle:.0f} {other_x:.0f} {middle:.0f} {other_x:.0f} {other_y:.0f}" '
            f'stroke-width="{thickness(counted[source, target])}" marker-end="url(#head)">'
            f"<title>{source} imports {target}</title></path>"
        )
    for room, (x, top, width) in places.items():
        name = room.removeprefix("pipelines.")
        boxes.append(f'<rect x="{x:.0f}" y="{top:.0f}" width="{width:.0f}" height="{ROOM_HEIGHT}"/>')
        boxes.append(f'<text class="name" x="{x + 10:.0f}" y="{top + 22:.0f}">{escape(name)}/</text>')
        for index, line in enumerate(wrapped(text[room], int(width / 7))[:3]):
            boxes.append(f'<text class="line" x="{x + 10:.0f}" y="{top + 40 + 14 * index:.0f}">{escape(line)}</text>')
    height = y - FLOOR_GAP + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img"'
            ' aria-label="Rooms of the code by floor, and the imports between them">',
            f"<style>{STYLE}</style>",
            '<marker id="head" markerWidth="8" markerHeight="8" refY="4" orient="auto" markerUnits="userSpaceOnUse">'
            '<path class="head" d="M0 0 L8 4 L0 8 Z"/></marker>',
            *arrows,
            *boxes,
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(), "utf-8")
