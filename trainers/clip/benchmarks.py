"""Labelled images for zero-shot classification, in CLIP_benchmark's layout.

FOLDER/{split}/{0..N-1}.tar (or FOLDER/*.tar)  members KEY.webp|png|jpg and KEY.cls, the class's number as text
FOLDER/classnames.txt                          one class per line, in the order of the numbers
FOLDER/zeroshot_classification_templates.txt   one template per line, {c} for the class; by default "a photo of {c}"
"""

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice

import torch
from torch import Tensor

from corpusloom.schemas import layout, storage
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.schemas.images.errors import ImageError
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.evaluate import PLACEHOLDER, class_embeddings, embed_images, zero_shot
from corpusloom.trainers.clip.task import load_clip

CLASSES = "classnames.txt"
TEMPLATES = "zeroshot_classification_templates.txt"
MAX_MEMBER_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Labelled:
    """One encoded image of a benchmark, and the number of its class."""

    key: str
    image: bytes
    label: int


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A folder of labelled images: names of the classes, templates of texts about them, and paths of the shards."""

    folder: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    tars: tuple[str, ...]

    def __iter__(self) -> Iterator[Labelled]:
        """Yield the images in the order of the shards."""
        for tar in self.tars:
            for sample in read_shard(tar):
                if not 0 <= sample.label < len(self.classes):
                    raise DamageError(f"{sample.key} is of class {sample.label}, not one of {CLASSES}", where=tar)
                yield sample


def open_benchmark(folder: str, split: str = "test") -> Benchmark:
    """Open a benchmark with the shards of a split, or with those directly in the folder."""
    place = storage.join(folder, split)
    names = sorted(storage.listing(place, ".tar"), key=lambda name: (len(name), name))
    if not names:
        place, names = folder, sorted(storage.listing(folder, ".tar"), key=lambda name: (len(name), name))
    if not names:
        raise InputError(f"no shard of the split {split!r}", where=folder, remedy="add SPLIT/0.tar and so on")
    templates = _lines(storage.join(folder, TEMPLATES)) or (f"a photo of {PLACEHOLDER}",)
    classes = _lines(storage.join(folder, CLASSES))
    if not classes:
        raise InputError(f"no {CLASSES}", where=folder, remedy="write one class per line, in the order of the labels")
    return Benchmark(folder, classes, templates, tuple(storage.join(place, name) for name in names))


def read_shard(path: str) -> Iterator[Labelled]:
    """Yield the images of one tar in order; DamageError for a sample without image or class."""
    try:
        with storage.open_input(path) as handle, tarfile.open(fileobj=handle, mode="r:") as tar:
            for key, group in groupby(tar, key=lambda info: info.name.partition(".")[0]):
                yield _labelled(path, key, {layout.extension_of(info.name): _member(tar, info) for info in group})
    except tarfile.TarError as error:
        raise DamageError(f"not a tar: {error}", where=path) from error


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    handle = tar.extractfile(info) if info.isfile() and info.size <= MAX_MEMBER_BYTES else None
    return handle.read() if handle is not None else b""


def _labelled(path: str, key: str, fields: dict[str, bytes]) -> Labelled:
    image = next((fields[extension] for extension in layout.IMAGE_EXTENSIONS if fields.get(extension)), None)
    try:
        if image is None:
            raise ValueError("no image")
        return Labelled(key, image, int(fields.get("cls", b"").decode()))
    except ValueError as error:
        raise DamageError(f"sample {key}: {error}", where=path) from error


def write_benchmark(
    folder: str, samples: Iterable[tuple[bytes, str, int]], classes: Iterable[str], templates: Iterable[str]
) -> None:
    """Write a benchmark of one shard from (image, extension, label), for `open_benchmark` and CLIP_benchmark."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number, (image, extension, label) in enumerate(samples):
            for field, data in (("cls", str(label).encode()), (extension, image)):
                info = tarfile.TarInfo(f"s{number:07d}.{field}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    storage.write_bytes(storage.join(folder, CLASSES), "".join(f"{name}\n" for name in classes).encode())
    storage.write_bytes(storage.join(folder, TEMPLATES), "".join(f"{text}\n" for text in templates).encode())
    storage.write_bytes(storage.join(folder, "test", "0.tar"), buffer.getvalue())
    storage.write_bytes(storage.join(folder, "test", "nshards.txt"), b"1\n")


@torch.no_grad()
def evaluate(
    checkpoint: str, folder: str, *, split: str = "test", limit: int | None = None, device: str = "cpu"
) -> Iterator[tuple[str, float]]:
    """Yield the zero-shot figures of a checkpoint (or of a run's newest) on a benchmark's first `limit` images."""
    model, tokenizer = load_clip(checkpoint)
    model.to(device)
    benchmark = open_benchmark(folder, split)
    labels: list[int] = []
    images = embed_images(model, _batches(benchmark, limit, model.config.image.size, labels))
    weights = class_embeddings(model, tokenizer, benchmark.classes, benchmark.templates)
    yield from zero_shot(images, torch.tensor(labels, device=images.device), weights)


def _batches(
    benchmark: Benchmark, limit: int | None, size: int, labels: list[int], batch_size: int = 256
) -> Iterator[Tensor]:
    """Yield batches of pixels (B, 3, H, W); append the images' labels to `labels`.

    Raises DamageError for an image that cannot be decoded and for a label without a class.
    """
    batch: list[Tensor] = []
    for sample in islice(benchmark, limit):
        try:
            if not 0 <= sample.label < len(benchmark.classes):
                raise ValueError(f"label {sample.label}, there are {len(benchmark.classes)} classes")
            batch.append(torch.from_numpy(evaluation_image(sample.image, size)))
        except (ImageError, ValueError) as error:
            raise DamageError(f"sample {sample.key}: {error}", where=benchmark.folder) from error
        labels.append(sample.label)
        if len(batch) == batch_size:
            yield torch.stack(batch)
            batch = []
    if batch:
        yield torch.stack(batch)


def _lines(path: str) -> tuple[str, ...]:
    if not storage.exists(path):
        return ()
    return tuple(line.strip() for line in storage.read_bytes(path).decode().splitlines() if line.strip())
