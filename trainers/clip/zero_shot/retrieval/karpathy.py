"""Images with several captions in Karpathy's layout: dataset_coco.json or dataset_flickr30k.json, and a folder.

{"images": [{"filename", "filepath" (COCO's folder), "split", "sentences": [{"raw"}, ...]}, ...]}
"""

import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError

_LAYOUT = 'it must have {"images": [{"filename", "split", "sentences": [{"raw"}]}]}'


@dataclass(frozen=True, slots=True)
class CaptionedFile:
    """An image in a file, and its captions."""

    key: str
    path: str
    captions: tuple[str, ...]

    @property
    def image(self) -> bytes:
        """The file's bytes, read on access."""
        return storage.read_bytes(self.path)


@dataclass(frozen=True, slots=True)
class KarpathySplit:
    """The images of one split."""

    folder: str
    files: tuple[CaptionedFile, ...]

    def __iter__(self) -> Iterator[CaptionedFile]:
        return iter(self.files)


def open_karpathy(path: str, images: str | None, split: str = "test") -> KarpathySplit:
    """Open a split of a file of captions; `images` is the folder in which the images' paths begin.

    Raises InputError for another layout, a split without images, and paths that lead out of the folder.
    """
    if images is None:
        raise InputError("the captions name images in a folder", where=path, remedy="give it: --images FOLDER")
    if not storage.is_folder(images):
        raise InputError("no such folder", where=images, remedy="--images is the folder of the images")
    named = read_karpathy(path, split)
    return KarpathySplit(path, tuple(CaptionedFile(name, storage.join(images, name), own) for name, own in named))


def read_karpathy(path: str, split: str | None) -> list[tuple[str, tuple[str, ...]]]:
    """Return path and captions of each image of a split, None: of all splits; the folder of the images is not read."""
    if not storage.exists(path):
        raise InputError("no such file", where=path, remedy="give dataset_coco.json or dataset_flickr30k.json")
    try:
        entries = json.loads(storage.read_bytes(path))["images"]
        found = [_named(entry) for entry in entries if split in (None, entry["split"])]
        splits = sorted({str(entry["split"]) for entry in entries})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"not in Karpathy's layout: {error!r}", where=path, remedy=_LAYOUT) from error
    if not found:
        raise InputError(f"no image in the split {split!r}", where=path, remedy=f"--split {' | '.join(splits)}")
    return found


def _named(entry: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    name = posixpath.normpath(posixpath.join(str(entry.get("filepath") or ""), str(entry["filename"])))
    if name.startswith(("/", "..")):
        raise ValueError(f"the path {name} leads out of the folder of images")
    return name, tuple(str(text["raw"]) for text in entry["sentences"])
