"""Pictures in folders, at any depth: labelled by class folders (FOLDER/CLASS/.../x.jpg), or without labels."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip.zero_shot.class_names import ClassName, folded, from_folders, load_classes
from corpusloom.trainers.evaluation.folder_files import files_below
from corpusloom.trainers.stream.errors import SampleError

ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".avif")
"""Endings of the files that are taken as pictures; the bytes decide what they are."""
MOST_BYTES = 256_000_000
SPLITS = ("train", "val", "valid", "validation", "test")
"""Names of folders that hold splits rather than classes, if all folders have such names."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A picture in a folder of pictures."""

    key: str
    """Path below the folder."""
    path: str
    label: int
    """Number of its class; -1 without labels."""

    @property
    def image(self) -> bytes:
        """The file's bytes, read on access; SampleError if there are too many."""
        if storage.size(self.path) > MOST_BYTES:
            raise SampleError("too_large")
        return storage.read_bytes(self.path)


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """Pictures of a folder and the classes among which they are classified."""

    folder: str
    classes: tuple[ClassName, ...]
    files: tuple[ImageFile, ...]
    """In the order of classes and names."""
    labelled: bool
    notes: tuple[str, ...] = ()
    """Remarks on the folder, for the user."""

    def __iter__(self) -> Iterator[ImageFile]:
        return iter(self.files)

    def label_of(self, item: ImageFile) -> int:
        """Return the number of a picture's class; -1 without labels."""
        return item.label


def open_folder(folder: str, classes: str | None = None) -> ImageFolder:
    """Open a folder of pictures, with the classes of a file or dataset, else with its class folders.

    The pictures are labelled if each lies in a folder of a class. Raises InputError for a folder without pictures, and
    ConfigError if there are no classes or if only some of the folders are classes.
    """
    names, others = picture_names(folder)
    if not names:
        found = f"no picture; there are {_counted(others)}" if others else "no picture"
        raise InputError(found, where=folder, remedy=f"endings that are read: {' '.join(ENDINGS)}")
    given = None if classes is None else load_classes(classes)
    folders = sorted({name.partition("/")[0] for name in names if "/" in name})
    loose = sum("/" not in name for name in names)
    own = {} if loose else _labels(folder, folders, given)
    if given is None and len(own) < 2:
        what = f"one class, {folders[0]!r}" if own else "the pictures have no labels, and no classes are given"
        what += f"; {loose:,} pictures are in no class folder" if folders and loose else ""
        remedy = "--classes FILE with one name per line, --classes DATASET, or a folder per class"
        raise ConfigError(what, where=folder, remedy=remedy)
    known = from_folders(folders) if given is None else given
    if len(known) < 2:
        raise ConfigError(f"one class, {known[0].shown!r}", where=classes or folder, remedy="give two or more")
    files = [
        ImageFile(name, storage.join(folder, name), own.get(name.partition("/")[0], -1) if own else -1)
        for name in names
    ]
    notes = [f"left out, as their endings are not read: {_counted(others)}"] if others else []
    empty = [name for name in storage.folders(folder) if name not in folders and not _is_hidden(name)]
    if own and empty:
        notes.append(f"folders without a picture: {listed(empty)}")
    if given is not None and folders and not own:
        notes.append("the folders are no classes, so the pictures are without labels")
    return ImageFolder(folder, known, tuple(sorted(files, key=lambda file: file.label)), bool(own), tuple(notes))


def picture_names(folder: str) -> tuple[list[str], Counter[str]]:
    """Return the paths of pictures below a folder, sorted, and how many other files have each ending.

    Links to folders are followed. Names that begin with a dot and __MACOSX are left out.
    """
    if not storage.is_folder(folder):
        raise InputError("no such folder", where=folder, remedy="give a folder of pictures")
    names, others = [], Counter[str]()
    for name in sorted(files_below(folder)):
        if any(map(_is_hidden, name.split("/"))):
            continue
        ending = os.path.splitext(name)[1].lower()
        if ending in ENDINGS:
            names.append(name)
        else:
            others[ending or "without an ending"] += 1
    return names, others


def _labels(folder: str, folders: list[str], given: tuple[ClassName, ...] | None) -> dict[str, int]:
    """Return folder -> number of its class; nothing if no folder is a class."""
    if {name.lower() for name in folders} <= set(SPLITS):
        where = storage.join(folder, folders[-1])
        raise ConfigError(f"the folders are splits: {', '.join(folders)}", where=folder, remedy=f"give {where}")
    if given is None:
        return {name: number for number, name in enumerate(folders)}
    numbers: dict[str, list[int]] = {}
    for number, name in enumerate(given):
        for label in name.labels:
            numbers.setdefault(label, []).append(number)
    found = {name: numbers[folded(name)] for name in folders if folded(name) in numbers}
    missing = [name for name in folders if name not in found]
    if found and missing:
        what = f"{len(missing)} of {len(folders)} folders are no class: {listed(missing)}"
        remedy = "add them to --classes, or leave --classes out: the folders are then the classes"
        raise ConfigError(what, where=folder, remedy=remedy)
    for folder_name, places in found.items():
        if len(places) > 1:
            what = (
                f"folder {folder_name!r} is a name of {' and of '.join(repr(given[place].shown) for place in places)}"
            )
            raise ConfigError(what, where=folder, remedy='give --classes as JSON: {"folder": "name"}')
    return {name: places[0] for name, places in found.items()}


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def listed(names: list[str]) -> str:
    """Return the first names, with dots if there are more."""
    return ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")


def _counted(others: Counter[str]) -> str:
    return ", ".join(f"{count:,} {ending}" for ending, count in others.most_common(_SHOWN))
