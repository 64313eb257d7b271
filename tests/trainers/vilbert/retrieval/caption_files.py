"""Files of captions for the images of `region_pairs`, in the original formats."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from corpusloom.schemas.identity import make_key
from tests.trainers.vilbert.region_pairs import COLOURS, SHAPES


def name_of(number: int) -> str:
    """Return the name of the image of sample `number` of `region_pairs`."""
    return make_key("pair", str(number))


def captions_of(number: int) -> list[str]:
    """Return the captions of an image, which say its colour and its shape."""
    colour, shape = COLOURS[number % 4], SHAPES[number // 4 % 4]
    return [f"a {colour} {shape}", f"the {shape} is {colour}"]


def write_karpathy(
    path: Path, images: Sequence[int], held_out: Sequence[int] = (), captions: Mapping[int, list[str]] | None = None
) -> str:
    """Write captions in Karpathy's layout, those of `held_out` in the split val; return the path."""
    entries = [
        {
            "filename": f"{name_of(number)}.jpg",
            "split": "val" if number in held_out else "train",
            "sentences": [{"raw": text} for text in (captions or {}).get(number, captions_of(number))],
        }
        for number in images
    ]
    path.write_text(json.dumps({"images": entries, "dataset": "flickr30k"}))
    return str(path)


def write_lines(path: Path, images: Sequence[int]) -> str:
    """Write captions as the public code reads them; return the path."""
    rows = [{"img_path": f"{name_of(number)}.jpg", "sentences": captions_of(number), "id": number} for number in images]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)
