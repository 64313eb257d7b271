"""Reads the files of RefCOCO, RefCOCO+ and RefCOCOg: refs(...).p, a pickle, and instances.json of COCO."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.trainers.formats.plain_pickle import read_plain_pickle
from corpusloom.trainers.formats.rows import read_json, record_errors
from corpusloom.trainers.vilbert.downstream.config import TaskDataConfig

PixelBox = tuple[float, float, float, float]
_REMEDY = "give refs(unc).p, refs(umd).p or refs(google).p, and instances.json beside it, as they are published"


@dataclass(frozen=True, slots=True)
class Expression:
    """A sentence that refers to one object of an image."""

    number: int
    """Number among the sentences of the files."""
    key: str
    """Number of the object's reference, and of the sentence: REF/SENTENCE."""
    image: int
    """COCO's number of the image."""
    text: str
    box: PixelBox
    """The object's box: x, y, width and height in pixels of COCO's image."""
    width: float
    """Width of COCO's image in pixels."""
    height: float
    """Height of COCO's image in pixels."""
    alias: ClassVar[str | None] = None
    split: str
    """Split of the reference, such as train, val, testA or testB."""

    @property
    def labelled(self) -> bool:
        """Return whether the object is known: always."""
        return True


def read_expressions(files: Sequence[str], data: TaskDataConfig) -> list[Expression]:
    """Return the sentences of all references.

    `files` are pickles of references and files of instances in any order. Raises InputError for a reference to an
    object or an image that the instances lack.
    """
    refs, boxes, sizes = list[tuple[str, int, dict[str, Any]]](), dict[int, Any](), dict[int, Any]()
    for path in files:
        if path.endswith(".json"):
            content = read_json(path)
            with record_errors(path):
                boxes |= {int(row["id"]): row["bbox"] for row in content["annotations"]}
                sizes |= {int(row["id"]): (row["width"], row["height"]) for row in content["images"]}
        else:
            refs += [(path, number, ref) for number, ref in enumerate(_refs(path))]
    if not refs or not boxes:
        missing = "no pickle of references" if not refs else "no instances.json"
        raise InputError(missing, where=", ".join(files), remedy=_REMEDY)
    found: list[Expression] = []
    for path, number, ref in refs:
        with record_errors(path, number):
            found += _expressions(path, ref, boxes, sizes, len(found))
    if not found:
        raise InputError("no sentence", where=", ".join(files), remedy=_REMEDY)
    return found


def _refs(path: str) -> list[dict[str, Any]]:
    if not storage.exists(path):
        raise InputError("no such file", where=path, remedy=_REMEDY)
    refs = read_plain_pickle(storage.read_bytes(path), path)
    if not isinstance(refs, list) or not all(isinstance(ref, dict) for ref in refs):
        raise InputError("not a list of references", where=path, remedy=_REMEDY)
    return refs


def _expressions(
    path: str, ref: dict[str, Any], boxes: dict[int, Any], sizes: dict[int, Any], first: int
) -> list[Expression]:
    key, image, instance = int(ref["ref_id"]), int(ref["image_id"]), int(ref["ann_id"])
    for name, number, known in (("object", instance, boxes), ("image", image, sizes)):
        if number not in known:
            raise InputError(f"reference {key}: no {name} {number} among the instances", where=path, remedy=_REMEDY)
    x, y, width, height = map(float, boxes[instance])
    image_width, image_height = map(float, sizes[image])
    return [
        Expression(
            number=first + offset,
            key=f"{key}/{int(sentence['sent_id'])}",
            image=image,
            text=str(sentence["sent"]),
            box=(x, y, width, height),
            width=image_width,
            height=image_height,
            split=str(ref["split"]),
        )
        for offset, sentence in enumerate(ref["sentences"])
    ]
