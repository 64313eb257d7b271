"""Facts of images are measured in a worker that may be killed; an image that does not decode has its error."""

import hashlib
import os
import signal
from pathlib import Path

from corpusloom.pipelines.engine.worker_pool import PoolConfig, WorkerPool
from corpusloom.pipelines.store.images.facts import (
    EncodedImage,
    facts_pool,
    image_bytes,
    image_facts_task,
    make_facts,
    map_facts,
)
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas.records import ImageFacts
from tests.pipelines.store.store_maker import png

BROKEN = png(1)[:60]


def entry(data: bytes) -> tuple[bytes, str, str]:
    return data, hashlib.sha256(data).hexdigest(), "png"


def deadly_task(image: EncodedImage) -> ImageFacts:
    """Kill the process at one image, as a memory error in a decoder would."""
    if image[0] == BROKEN:
        os.kill(os.getpid(), signal.SIGKILL)
    return image_facts_task(image)


def test_a_picture_has_facts_and_a_broken_one_its_error() -> None:
    good, broken = (make_facts(*entry(data)) for data in (png(1, 40), BROKEN))
    assert (good.width, good.height, good.error, len(good.phash), len(good.grid)) == (40, 40, None, 16, 48)
    assert (broken.width, broken.error, broken.phash, broken.size) == (9, "truncated", "", 60)


def test_workers_and_this_process_measure_the_same_facts() -> None:
    images = [entry(png(n, 30)) for n in range(5)]
    with facts_pool(1) as pool, facts_pool(0) as here:
        assert list(map_facts(pool, images)) == list(map_facts(here, images))


def test_an_image_that_kills_its_worker_costs_itself_alone() -> None:
    images = [entry(png(2)), entry(BROKEN), entry(png(3))]
    with WorkerPool(deadly_task, PoolConfig(size=1), cost=image_bytes) as pool:
        found = list(map_facts(pool, images))
    assert [(row.sha256, row.error) for row in found] == [
        (images[0][1], None),
        (images[1][1], "worker_died"),
        (images[2][1], None),
    ]


def test_facts_stay_in_arrow_until_one_is_asked_for(tmp_path: Path) -> None:
    store = ImageStore(str(tmp_path))
    rows = [make_facts(data, hashlib.sha256(data).hexdigest(), "png") for data in (png(1), png(2), png(3))]
    store.commit_facts(rows[:2])
    store.commit_facts(rows[1:])
    facts = store.facts()
    assert [facts.get(row.sha256) for row in rows] == rows
    assert (len(facts), "0" * 64 in facts, facts.get("none")) == (3, False, None)
