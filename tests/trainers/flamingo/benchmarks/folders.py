"""Tiny folders of benchmarks, with files in their published layouts."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.trainers.datasets import coloured_pairs


def write(folder: Path, name: str, value: Any) -> None:
    """Write a file: JSON of a value, or the text itself."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return records as CSV."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def picture(folder: Path, name: str, colour: int) -> None:
    """Write a picture of one colour."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((12, 16, 3), (colour, 255 - colour, 90), np.uint8)).save(path)


def okvqa(folder: Path, records: int = 3) -> str:
    """Write questions of both splits, with ten answers each: image N of a split has N blue, else red."""
    for split, first in (("train2014", 0), ("val2014", 100)):
        numbers = range(first, first + records)
        asked = [{"question_id": 10 * n, "image_id": n, "question": f"What colour is {n}?"} for n in numbers]
        given = [
            {
                "question_id": 10 * n,
                "image_id": n,
                "answers": [{"answer": "blue" if number <= n - first else "red"} for number in range(10)],
            }
            for n in numbers
        ]
        write(folder, f"OpenEnded_mscoco_{split}_questions.json", {"questions": asked})
        write(folder, f"mscoco_{split}_annotations.json", {"annotations": given})
        for n in numbers:
            picture(folder, f"{split}/COCO_{split}_{n:012d}.jpg", 20 + n)
    return str(folder)


def hatefulmemes(folder: Path) -> str:
    """Write memes of both splits: every second one is hateful."""
    for split, first in (("train", 0), ("test_seen", 10)):
        rows = [
            {"id": first + n, "img": f"img/{first + n}.png", "label": n % 2, "text": f"words {n}"} for n in range(4)
        ]
        write(folder, f"{split}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        for n in range(4):
            picture(folder, f"img/{first + n}.png", 30 * n + first)
    return str(folder)


def coloured_okvqa(folder: Path, records: int = 64) -> str:
    """Write questions for the colour of squares and discs in four colours; no picture is in both splits."""
    for split, first in (("train2014", 0), ("val2014", 1000)):
        pairs = list(enumerate(coloured_pairs(records, first=first), first))
        asked = [{"question_id": n, "image_id": n, "question": "What colour is it?"} for n, _ in pairs]
        given = [{"question_id": n, "answers": [{"answer": pair.text.split()[1]}] * 10} for n, pair in pairs]
        write(folder, f"OpenEnded_mscoco_{split}_questions.json", {"questions": asked})
        write(folder, f"mscoco_{split}_annotations.json", {"annotations": given})
        for n, pair in pairs:
            path = folder / split / f"COCO_{split}_{n:012d}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(pair.image)
    return str(folder)
