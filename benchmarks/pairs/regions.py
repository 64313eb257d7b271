"""Regions with the detector that ships, against the bare network on tensors and against one image per call.

Images are JPEGs of the demo's drawings. Our side decodes them, proposes boxes, runs the network, pools and encodes. The
network alone gets ready tensors in our batches. One image per call is the loop of the package's own example, decoding
included: the network as it is loaded, without boxes.
"""

import hashlib
from collections.abc import Iterator

import cv2
import numpy as np
import torch

from benchmarks.bounded_rows import Row
from benchmarks.pairs.alternating import alternate
from benchmarks.pairs.config import PairsConfig
from corpusloom.pipelines.demo import drawing
from corpusloom.pipelines.models.detector import BATCH, SIDE, EfficientNetDetector
from corpusloom.pipelines.stages.regions.grid import GridRegions
from corpusloom.pipelines.stages.regions.pairs_of_shard import ReadPair
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.records import SidecarRow

IMAGES = 8 * BATCH


def make_images(count: int) -> list[bytes]:
    """Return JPEGs of different drawings."""
    labels = drawing.classes()
    pictures = (drawing.make_picture(labels[number % len(labels)], number) for number in range(count))
    return [cv2.imencode(".jpg", drawing.draw(picture)[..., ::-1])[1].tobytes() for picture in pictures]


def as_pairs(images: list[bytes]) -> list[ReadPair]:
    """Return pairs with these images."""
    rows = [SidecarRow(key=hashlib.sha256(data).hexdigest()[:32], url="") for data in images]
    return [ReadPair(row, {"jpg": data}) for row, data in zip(rows, images, strict=True)]


def rows(config: PairsConfig) -> Iterator[Row]:
    """Yield the images per CPU second, and the rate over those of both peers."""
    torch.set_num_threads(1)
    images = make_images(IMAGES)
    model, pairs = EfficientNetDetector(), as_pairs(images)
    source, network = GridRegions(model, 36), model._model
    tensors = torch.rand(BATCH, 3, SIDE, SIDE).to(memory_format=torch.channels_last)

    def alone() -> None:
        with torch.inference_mode():
            for _ in range(IMAGES // BATCH):
                model._features(tensors)

    def one_per_call() -> None:
        with torch.inference_mode():
            for data in images:
                small = cv2.resize(decode_rgb(data), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
                pixels = (small.astype(np.float32).transpose(2, 0, 1) - 127) / 128
                network(torch.from_numpy(pixels)[None])

    assert all(output.error is None for output in source.describe(pairs))
    sides = {"ours": lambda: source.describe(pairs), "network": alone, "one": one_per_call}
    times = alternate(sides, config.rounds)
    ours = times["ours"].cpu
    boxes = sum(output.count for output in source.describe(pairs)) / IMAGES
    yield Row("regions, images per CPU s", IMAGES / ours, 100, 150, False, f"{boxes:.1f} boxes per image")
    note = f"alone {IMAGES / times['network'].cpu:,.0f} images per CPU s"
    yield Row("regions / bare network on tensors", times["network"].cpu / ours, 0.7, 0.9, False, note)
    note = f"{IMAGES / times['one'].cpu:,.0f} images per CPU s, without boxes"
    yield Row("regions / one image per call", times["one"].cpu / ours, 1, 2, False, note)
