"""Images with labels or captions in CLIP_benchmark's layout.

FOLDER/{split}/{0..N-1}.tar (or FOLDER/*.tar)  members KEY.webp|png|jpg, and KEY.cls, KEY.npy or KEY.txt
FOLDER/{split}/nshards.txt                     N; without it, all tars of the folder
FOLDER/dataset_type.txt                        classification (as without the file), multilabel or retrieval
FOLDER/classnames.txt                          one class per line, in the order of the numbers
FOLDER/zeroshot_classification_templates.txt   one template per line, {c} for the class; by default "a photo of {c}"

KEY.cls is the class's number as text, KEY.npy an array with 0 or 1 per class, KEY.txt one caption per line.
"""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from corpusloom.schemas import layout, storage
from corpusloom.schemas.errors import ConfigError, DamageError, InputError
from corpusloom.trainers.clip.zero_shot.class_names import ClassName, folded
from corpusloom.trainers.clip.zero_shot.templates import PLAIN, load_templates
from corpusloom.trainers.clip.zero_shot.text_files import numbered_lines
from corpusloom.trainers.stream.errors import SampleError

CLASSES = "classnames.txt"
TEMPLATES = "zeroshot_classification_templates.txt"
DATASET_TYPE = "dataset_type.txt"
SHARD_COUNT = "nshards.txt"
TYPES = ("classification", "multilabel", "retrieval")
MAX_MEMBER_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class BenchmarkSample:
    """One encoded image of a benchmark, with its label or captions; any of these may be empty in a damaged sample."""

    key: str
    image: bytes
    label: str = ""
    """Number of the class, as text."""
    array: bytes = b""
    """The .npy file of several labels."""
    text: bytes = b""
    """Captions, one per line."""

    @property
    def captions(self) -> tuple[str, ...]:
        """The captions; a line break within one is written as backslash and n."""
        lines = self.text.decode(errors="replace").splitlines()
        return tuple(line.replace("\\n", "\n").strip() for line in lines if line.strip())


@dataclass(frozen=True, slots=True)
class Shards:
    """The tars of a split, and their samples."""

    folder: str
    tars: tuple[str, ...]

    def __iter__(self) -> Iterator[BenchmarkSample]:
        for tar in self.tars:
            yield from read_shard(tar)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A folder of labelled images: names of the classes, templates of texts about them, and the shards."""

    shards: Shards
    classes: tuple[ClassName, ...]
    templates: tuple[str, ...]
    multilabel: bool = False
    notes: tuple[str, ...] = ()
    """Remarks on the folder, for the user."""
    labelled: bool = True

    @property
    def folder(self) -> str:
        """Path of the benchmark."""
        return self.shards.folder

    def __iter__(self) -> Iterator[BenchmarkSample]:
        """Yield the images in the order of the shards."""
        return iter(self.shards)

    def label_of(self, sample: BenchmarkSample) -> int | np.ndarray:
        """Return the number of a sample's class, or 0 or 1 per class; SampleError without an image or such a label."""
        if not sample.image:
            raise SampleError("no_image")
        if self.multilabel:
            return labels_in(sample.array, len(self.classes))
        if not sample.label.isascii() or not sample.label.isdigit():
            raise SampleError("no_class")
        if int(sample.label) >= len(self.classes):
            raise SampleError("unknown_class", f"{sample.label} of {len(self.classes)}")
        return int(sample.label)


def labels_in(data: bytes, classes: int) -> np.ndarray:
    """Return the labels in a .npy file, (C,) of 0 or 1; SampleError for anything else."""
    try:
        found = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise SampleError("no_class") from error
    if not isinstance(found, np.ndarray) or found.shape != (classes,) or not np.isin(found, (0, 1)).all():
        raise SampleError("unknown_class", f"an array that is not of {classes} zeros and ones")
    return found.astype(np.int64)


def is_benchmark(folder: str) -> bool:
    """Return whether a folder has names of classes, a type, or shards, as a benchmark has."""
    named = any(storage.exists(storage.join(folder, name)) for name in (CLASSES, DATASET_TYPE))
    return named or bool(storage.listing(folder, ".tar")) or bool(splits_of(folder))


def open_benchmark(folder: str, split: str = "test") -> Benchmark:
    """Open a split of a benchmark of classification; ConfigError if it is one of retrieval."""
    kind = dataset_type(folder)
    if kind == "retrieval":
        raise ConfigError("a benchmark of retrieval", where=folder, remedy="loom eval retrieval --data FOLDER")
    shards, path = find_shards(folder, split), storage.join(folder, CLASSES)
    lines = numbered_lines(path) if storage.exists(path) else []
    if not lines:
        raise InputError(f"no {CLASSES}", where=folder, remedy="write one class per line, in the order of the labels")
    templates = storage.join(folder, TEMPLATES)
    texts = load_templates(templates) if storage.exists(templates) else PLAIN
    classes = tuple(ClassName((name,)) for _, name in lines)
    return Benchmark(shards, classes, texts, kind == "multilabel", tuple(_duplicate_names(lines)))


def open_captions(folder: str, split: str = "test") -> Shards:
    """Open a split of a benchmark of retrieval; ConfigError if it is one of classification."""
    if dataset_type(folder) != "retrieval":
        raise ConfigError("a benchmark of classification", where=folder, remedy="loom eval zero-shot --data FOLDER")
    return find_shards(folder, split)


def dataset_type(folder: str) -> str:
    """Return the type of a benchmark."""
    path = storage.join(folder, DATASET_TYPE)
    lines = numbered_lines(path) if storage.exists(path) else []
    found = lines[0][1].lower() if lines else TYPES[0]
    if found not in TYPES:
        raise InputError(f"the type is {found!r}", where=path, remedy=f"one of {', '.join(TYPES)}")
    return found


def splits_of(folder: str) -> list[str]:
    """Return the names of the folders with tars."""
    return [name for name in storage.folders(folder) if storage.listing(storage.join(folder, name), ".tar")]


def find_shards(folder: str, split: str) -> Shards:
    """Return the shards of a split, or those directly in the folder, in the order of their numbers.

    Raises InputError for a split without shards, and DamageError if one of those that nshards.txt counts is missing.
    """
    place = storage.join(folder, split)
    names = storage.listing(place, ".tar")
    if not names and not splits_of(folder):
        place, names = folder, storage.listing(folder, ".tar")
    if not names:
        others = splits_of(folder)
        remedy = f"--split {' | '.join(others)}" if others else "add SPLIT/0.tar and so on; --images takes pictures"
        raise InputError(f"no shard of the split {split!r}", where=folder, remedy=remedy)
    counted = storage.join(place, SHARD_COUNT)
    if storage.exists(counted):
        lines = numbered_lines(counted)
        if len(lines) != 1 or not lines[0][1].isdigit():
            raise InputError("not a number of shards", where=counted, remedy="write the number of tars, such as 3")
        wanted = [f"{number}.tar" for number in range(int(lines[0][1]))]
        missing = [name for name in wanted if name not in names]
        if missing:
            raise DamageError(f"{missing[0]} is missing", where=place, remedy=f"{SHARD_COUNT} counts {len(wanted)}")
        names = wanted
    ordered = sorted(names, key=lambda name: (len(name), name))
    return Shards(folder, tuple(storage.join(place, name) for name in ordered))


def _duplicate_names(lines: list[tuple[int, str]]) -> Iterator[str]:
    """Yield a note per class that has the name of another one."""
    seen: dict[str, int] = {}
    for number, name in lines:
        first = seen.setdefault(folded(name), number)
        if first != number:
            yield f"{CLASSES}, lines {first} and {number}: two classes {name!r}; pictures of both count as wrong"


def read_shard(path: str) -> Iterator[BenchmarkSample]:
    """Yield the images of one tar in order; DamageError for a file that is not a tar, or is cut short."""
    try:
        with storage.open_input(path) as handle, tarfile.open(fileobj=handle, mode="r:") as tar:
            for key, group in groupby(tar, key=lambda info: info.name.partition(".")[0]):
                yield _sample(key, {layout.extension_of(info.name): _member(tar, info) for info in group})
    except tarfile.TarError as error:
        raise DamageError(f"not a tar: {error}", where=path) from error


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    handle = tar.extractfile(info) if info.isfile() and info.size <= MAX_MEMBER_BYTES else None
    return handle.read() if handle is not None else b""


def _sample(key: str, fields: dict[str, bytes]) -> BenchmarkSample:
    image = next((fields[extension] for extension in layout.IMAGE_EXTENSIONS if fields.get(extension)), b"")
    label = fields.get("cls", b"").decode(errors="replace").strip()
    return BenchmarkSample(key, image, label, fields.get("npy", b""), fields.get("txt", b""))
