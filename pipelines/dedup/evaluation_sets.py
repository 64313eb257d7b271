"""Reads evaluation sets, JSONL lists and tars, into the index that decontamination uses.

Tars have WebDataset's layout: images are hashed, `.txt` members and captions in `.json` members are texts.
"""

import hashlib
import json
import tarfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import IO

from corpusloom.pipelines.dedup.decontamination import BenchmarkItem, Benchmarks, read_items
from corpusloom.pipelines.dedup.image_hashes import hash_image
from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.errors import ImageError

MAX_MEMBER = 64_000_000
"""Bytes of a member, at most; larger members are skipped."""
_IMAGES = ("jpg", "jpeg", "png", "webp", "gif")
_CAPTIONS = ("caption", "text", "question")


@lru_cache(maxsize=4)
def load_benchmarks(paths: tuple[str, ...]) -> Benchmarks | None:
    """Return the index of all items at these paths, cached per process; None without paths."""
    return Benchmarks(item for path in paths for item in items_of(path)) if paths else None


def set_files(path: str) -> list[str]:
    """Return the files of an evaluation set: the path itself, or the tars and lists in the folder, sorted."""
    if path.endswith((".jsonl", ".tar")):
        return storage.expand(path)
    names = [name for name in storage.listing(path) if name.endswith((".jsonl", ".tar"))]
    if not names:
        raise InputError("holds no evaluation set", where=path, remedy="a .jsonl list, a .tar or a folder of them")
    return [storage.join(path, name) for name in sorted(names)]


def set_digests(paths: Iterable[str]) -> list[str]:
    """Return the sha256 of each file of the evaluation sets, for the fingerprint of a stage that reads them."""
    return [storage.hash_file(file)[0] for path in paths for file in set_files(path)]


def items_of(path: str) -> Iterator[BenchmarkItem]:
    """Yield the items of an evaluation set. The name of the tar or folder is the benchmark of a tar's items."""
    name = path.rstrip("/").rsplit("/", 1)[-1].removesuffix(".tar")
    for file in set_files(path):
        if file.endswith(".jsonl"):
            yield from read_items(file)
        else:
            with storage.open_input(file) as handle:
                yield from tar_items(handle, name, file)


def tar_items(handle: IO[bytes], benchmark: str, where: str) -> Iterator[BenchmarkItem]:
    """Yield the images and texts of a tar as items; other members are skipped."""
    try:
        with tarfile.open(fileobj=handle, mode="r|") as archive:
            for member in archive:
                source = archive.extractfile(member) if member.isfile() and member.size <= MAX_MEMBER else None
                if source is not None:
                    yield from _member_items(member.name, source.read(), benchmark)
    except tarfile.TarError as error:
        raise InputError(f"cannot be read as a tar: {error}", where=where) from error


def _member_items(name: str, data: bytes, benchmark: str) -> Iterator[BenchmarkItem]:
    folder, _slash, file = name.rpartition("/")
    stem, _dot, field = file.partition(".")
    key, extension = f"{folder}/{stem}".lstrip("/"), field.rpartition(".")[2].lower()
    if extension in _IMAGES:
        yield _image_item(data, benchmark, key)
    elif extension == "txt":
        yield BenchmarkItem(benchmark=benchmark, item=key, text=data.decode("utf-8", "replace"))
    elif extension == "json":
        yield from (BenchmarkItem(benchmark=benchmark, item=key, text=text) for text in _captions(data))


def _image_item(data: bytes, benchmark: str, key: str) -> BenchmarkItem:
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        hashes = hash_image(decode_rgb(data))
    except ImageError:
        return BenchmarkItem(benchmark=benchmark, item=key, sha256=sha256)
    return BenchmarkItem(
        benchmark=benchmark,
        item=key,
        sha256=sha256,
        dhash=hashes.dhash,
        phash=hashes.phash,
        grid=hashes.grid.hex(),
    )


def _captions(data: bytes) -> list[str]:
    try:
        values = json.loads(data)
    except ValueError:
        return []
    if not isinstance(values, dict):
        return []
    found = [values.get(name) for name in _CAPTIONS]
    texts = values.get("texts")
    return [text for text in [*found, *(texts if isinstance(texts, list) else [])] if isinstance(text, str)]
