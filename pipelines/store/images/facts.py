"""Computes facts of images in worker processes: size, hashes, range of colours, opt-outs in metadata."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from corpusloom.pipelines.dedup.image_hashes import hash_image
from corpusloom.pipelines.engine.worker_pool import PoolConfig, WorkerPool
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.headers import read_header
from corpusloom.schemas.images.metadata import opt_out_of_metadata
from corpusloom.schemas.records import ImageFacts
from corpusloom.schemas.verdicts import Dead

EncodedImage: TypeAlias = tuple[bytes, str, str]
"""(bytes as fetched, sha256, format)"""
FactsPool: TypeAlias = WorkerPool[EncodedImage, ImageFacts]

EMPTY = ImageFacts(
    sha256="", width=0, height=0, format="", size=0, dhash="", phash="", grid=b"", gray_std=0.0, colour_range=0.0
)


def make_facts(data: bytes, sha256: str, kind: str) -> ImageFacts:
    """Return the facts of one image; for an undecodable one the size in its header, if any, and the error."""
    facts = replace(EMPTY, sha256=sha256, format=kind, size=len(data))
    try:
        width, height = read_header(data).displayed
        facts = replace(facts, width=width, height=height)
        rgb = decode_rgb(data)
    except ImageError as error:
        return replace(facts, error=error.reason)
    hashes = hash_image(rgb)
    return replace(
        facts,
        width=int(rgb.shape[1]),
        height=int(rgb.shape[0]),
        dhash=hashes.dhash,
        phash=hashes.phash,
        grid=hashes.grid,
        gray_std=hashes.gray_std,
        colour_range=hashes.colour_range,
        opt_out=opt_out_of_metadata(data),
    )


def image_facts_task(image: EncodedImage) -> ImageFacts:
    """Make the facts of one image in a pool's worker."""
    return make_facts(*image)


def image_bytes(image: EncodedImage) -> int:
    """Return the number of bytes of an image, its cost in the pool's chunks."""
    return len(image[0])


def facts_pool(workers: int) -> FactsPool:
    """Return a pool of `workers` processes that decode images; 0 decodes them in this process."""
    return WorkerPool(image_facts_task, PoolConfig(size=workers), cost=image_bytes, preload=[__name__])


def map_facts(pool: FactsPool, images: Iterable[EncodedImage]) -> Iterator[ImageFacts]:
    """Yield the facts of images in order; an image that crashed its worker gets the pool's error."""
    waiting: deque[EncodedImage] = deque()

    def noted() -> Iterator[EncodedImage]:
        for data, sha256, kind in images:
            waiting.append((data, sha256, kind))
            yield data, sha256, kind

    for result in pool.map(noted()):
        data, sha256, kind = waiting.popleft()
        if isinstance(result, Dead):
            result = replace(EMPTY, sha256=sha256, format=kind, size=len(data), error=result.error)
        yield result
