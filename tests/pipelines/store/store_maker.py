"""Image stores for tests: real images, written by the real writer."""

import functools
import io
from pathlib import Path

import numpy as np
from PIL import Image

from corpusloom.pipelines.net.refusals import Policy
from corpusloom.pipelines.store.images.outcomes import FetchedImage, ImageOutcome, ImageUrl
from corpusloom.pipelines.store.images.packs import Checkpoint, PackWriter
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas import identity
from corpusloom.schemas.verdicts import Dead, Rejected

DATE = "2026-01-02T03:04:05Z"


@functools.cache
def png(number: int, side: int = 9) -> bytes:
    """Return a small picture that differs for each number."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def wanted(name: str) -> ImageUrl:
    url = f"http://example.org/{name}"
    return ImageUrl(identity.image_key(url), url)


def answer(number: int) -> FetchedImage:
    return FetchedImage(
        body=png(number), final_url="http://example.org/x", status=200, fetched_at=DATE, etag=f'"{number}"'
    )


def outcomes() -> list[tuple[str, ImageOutcome]]:
    """Return images (two of the same bytes), a rejection and a death."""
    return [
        ("a", answer(1)),
        ("b", answer(2)),
        ("again", answer(1)),
        ("gone", Rejected("http_410")),
        ("slow", Dead("timeout_total")),
        ("html", FetchedImage(body=b"<html>", fetched_at=DATE)),
        ("c", answer(3)),
    ]


def fill(
    folder: Path | str,
    entries: list[tuple[str, ImageOutcome]],
    *,
    each: int = 3,
    generation: int = 1,
    policy: Policy | None = None,
) -> ImageStore:
    """Write outcomes, one pack per `each` outcomes."""
    store = ImageStore(str(folder))
    writer = PackWriter(store, "lane-0", generation, 10**6, Checkpoint(outcomes=each), policy=policy)
    for name, outcome in entries:
        writer.add(wanted(name), outcome)
    writer.commit()
    return store
