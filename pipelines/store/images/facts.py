"""The facts of an image, made in a killable worker: sizes, hashes, one colour or many, opt-outs in its metadata."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from corpusloom.pipelines.dedup.image_hashes import hash_image
from corpusloom.pipelines.extract.pool import ExtractPool, PoolConfig
from corpusloom.pipelines.extract.reading.types import ExtractConfig
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.images.headers import read_header
from corpusloom.schemas.images.metadata import opt_out_of_metadata
from corpusloom.schemas.records import ImageFacts
from corpusloom.schemas.verdicts import Dead

EMPTY = ImageFacts(
    sha256="", width=0, height=0, format="", size=0, dhash="", phash="", grid=b"", gray_std=0.0, colour_range=0.0
)


def make_facts(data: bytes, sha256: str, kind: str) -> ImageFacts:
    """Return what is known of one image's bytes; one that does not decode is known by its error."""
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


def facts_task(html: bytes, url: str, *, content_type: str | None, config: ExtractConfig) -> ImageFacts:
    """Make facts inside a pool's worker: the image, its sha256 and its format stand where a page's parts do."""
    return make_facts(html, url, content_type or "")


def facts_pool(workers: int) -> ExtractPool:
    """Return a pool of killable workers that decode images: deadline, memory and CPU bounded; 0: in this process."""
    return ExtractPool(PoolConfig(size=workers), task=facts_task)


def map_facts(pool: ExtractPool, images: Iterable[tuple[bytes, str, str]]) -> Iterator[ImageFacts]:
    """Make the facts of (bytes, sha256, format), in order; what kills a worker is known by that as its error."""
    known: list[tuple[str, str, int]] = []

    def items() -> Iterator[tuple[bytes, str, str | None]]:
        for data, sha256, kind in images:
            known.append((sha256, kind, len(data)))
            yield data, sha256, kind

    for result in pool.map(items()):
        sha256, kind, size = known.pop(0)
        if isinstance(result, Dead):
            result = replace(EMPTY, sha256=sha256, format=kind, size=size, error=result.error)
        assert isinstance(result, ImageFacts)
        yield result
