"""Labelled images for zero-shot classification, in CLIP_benchmark's layout.

FOLDER/{split}/{0..N-1}.tar (or FOLDER/*.tar)  members KEY.webp|png|jpg and KEY.cls, the class's number as text
FOLDER/classnames.txt                          one class per line, in the order of the numbers
FOLDER/zeroshot_classification_templates.txt   one template per line, {c} for the class; by default "a photo of {c}"
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from corpusloom.schemas import layout, storage
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.trainers.clip.zero_shot.class_names import ClassName, folded
from corpusloom.trainers.clip.zero_shot.templates import PLAIN, load_templates
from corpusloom.trainers.clip.zero_shot.text_files import numbered_lines
from corpusloom.trainers.stream.errors import SampleError

CLASSES = "classnames.txt"
TEMPLATES = "zeroshot_classification_templates.txt"
MAX_MEMBER_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Labelled:
    """One encoded image of a benchmark, and the number of its class as text; either may be empty in a broken sample."""

    key: str
    image: bytes
    label: str


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A folder of labelled images: names of the classes, templates of texts about them, and paths of the shards."""

    folder: str
    classes: tuple[ClassName, ...]
    templates: tuple[str, ...]
    tars: tuple[str, ...]
    labelled: bool = True
    notes: tuple[str, ...] = ()
    """What the user should know of the folder."""

    def __iter__(self) -> Iterator[Labelled]:
        """Yield the images in the order of the shards."""
        for tar in self.tars:
            yield from read_shard(tar)

    def label_of(self, sample: Labelled) -> int:
        """Return the number of a sample's class; SampleError if it has no image, no class or an unknown one."""
        if not sample.image:
            raise SampleError("no_image")
        if not sample.label.isascii() or not sample.label.isdigit():
            raise SampleError("no_class")
        if int(sample.label) >= len(self.classes):
            raise SampleError("unknown_class", f"{sample.label} of {len(self.classes)}")
        return int(sample.label)


def is_benchmark(folder: str, split: str = "test") -> bool:
    """Return whether a folder has names of classes or shards of a split, as a benchmark has."""
    shards = storage.listing(storage.join(folder, split), ".tar") or storage.listing(folder, ".tar")
    return bool(shards) or storage.exists(storage.join(folder, CLASSES))


def open_benchmark(folder: str, split: str = "test") -> Benchmark:
    """Open a benchmark with the shards of a split, or with those directly in the folder."""
    place = storage.join(folder, split)
    names = sorted(storage.listing(place, ".tar"), key=lambda name: (len(name), name))
    if not names:
        place, names = folder, sorted(storage.listing(folder, ".tar"), key=lambda name: (len(name), name))
    if not names:
        raise InputError(f"no shard of the split {split!r}", where=folder, remedy="add SPLIT/0.tar and so on")
    path = storage.join(folder, CLASSES)
    lines = numbered_lines(path) if storage.exists(path) else []
    if not lines:
        raise InputError(f"no {CLASSES}", where=folder, remedy="write one class per line, in the order of the labels")
    classes, seen, notes = tuple(ClassName((name,)) for _, name in lines), dict[str, int](), []
    for number, name in lines:
        if seen.setdefault(folded(name), number) != number:
            first = seen[folded(name)]
            notes.append(
                f"{CLASSES}, lines {first} and {number}: two classes {name!r}; pictures of both count as wrong"
            )
    templates = storage.join(folder, TEMPLATES)
    texts = load_templates(templates) if storage.exists(templates) else PLAIN
    tars = tuple(storage.join(place, name) for name in names)
    return Benchmark(folder, classes, texts, tars, notes=tuple(notes))


def read_shard(path: str) -> Iterator[Labelled]:
    """Yield the images of one tar in order; DamageError for a file that is not a tar, or is cut short."""
    try:
        with storage.open_input(path) as handle, tarfile.open(fileobj=handle, mode="r:") as tar:
            for key, group in groupby(tar, key=lambda info: info.name.partition(".")[0]):
                yield _labelled(key, {layout.extension_of(info.name): _member(tar, info) for info in group})
    except tarfile.TarError as error:
        raise DamageError(f"not a tar: {error}", where=path) from error


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    handle = tar.extractfile(info) if info.isfile() and info.size <= MAX_MEMBER_BYTES else None
    return handle.read() if handle is not None else b""


def _labelled(key: str, fields: dict[str, bytes]) -> Labelled:
    image = next((fields[extension] for extension in layout.IMAGE_EXTENSIONS if fields.get(extension)), b"")
    return Labelled(key, image, fields.get("cls", b"").decode(errors="replace").strip())
