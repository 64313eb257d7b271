"""Reads images with several captions: Karpathy's dataset_flickr30k.json or dataset_coco.json, or JSON lines.

A JSON line is that of the public code: {"img_path": "123.jpg", "sentences": [...], "id": 123}. JSON lines have no
splits.
"""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip.zero_shot.retrieval.karpathy import read_karpathy
from corpusloom.trainers.formats.rows import read_rows, record_errors

_LAYOUT = 'give dataset_flickr30k.json as it is published, or lines {"img_path", "sentences", "id"}'


@dataclass(frozen=True, slots=True)
class ImageCaptions:
    """An image and its captions, of which none is blank."""

    number: int
    """Number among the images that were read, from 0."""
    image: str
    """Name of the image without its ending."""
    captions: tuple[str, ...]

    @property
    def key(self) -> str:
        """Name of the image, which is unique."""
        return self.image

    @property
    def alias(self) -> None:
        """No other name of the image."""


@dataclass(frozen=True, slots=True)
class CaptionFiles:
    """The images of one split of some files."""

    images: tuple[ImageCaptions, ...]
    without: int = 0
    """Images that are left out because all their captions are blank."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Return a note for the user if images are left out."""
        return (f"{self.without:,} images without a caption are left out",) if self.without else ()


def read_captioned(files: Sequence[str], split: str | None) -> CaptionFiles:
    """Return the images of a split in the order of the files; None: of all splits.

    Blank captions are left out. Raises InputError for another layout, for an image that occurs twice and if no image
    has a caption, ConfigError for a split of JSON lines.
    """
    found, without, places = list[ImageCaptions](), 0, dict[str, str]()
    for path in files:
        for number, (name, captions) in enumerate(_read(path, split)):
            image = posixpath.splitext(posixpath.basename(name))[0]
            if image in places:
                what = f"record {number}: image {image} occurs twice, first in {places[image]}"
                raise InputError(what, where=path, remedy="give each image once, with all its captions")
            places[image] = f"{path}, record {number}"
            texts = tuple(text for text in captions if text.strip())
            without += not texts
            if texts:
                found.append(ImageCaptions(len(found), image, texts))
    if not found:
        raise InputError("no image has a caption", where=", ".join(files), remedy=_LAYOUT)
    return CaptionFiles(tuple(found), without)


def _read(path: str, split: str | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield path and captions of each image of a file."""
    if path.endswith(".json"):
        yield from read_karpathy(path, split)
        return
    if split is not None:
        remedy = "give the file of the split: no --split, or data.split=off data.evaluate=off"
        raise ConfigError(f"a file of JSON lines has no split {split!r}", where=path, remedy=remedy)
    for number, row in enumerate(read_rows(path)):
        with record_errors(path, number):
            if not isinstance(row["sentences"], list):
                raise TypeError("sentences is no list")
            yield str(row["img_path"]), tuple(map(str, row["sentences"]))


def limited(found: CaptionFiles, limit: int | None) -> CaptionFiles:
    """Return the first images, with all their captions."""
    return replace(found, images=found.images[:limit])
