"""Small, learnable datasets of regions as the pipelines write them: captions describe the features."""

import io
import json
from pathlib import Path

import numpy as np

from corpusloom.pipelines.stages.regions.arrays import encode_regions
from corpusloom.pipelines.store.dataset.tars import write_shard
from corpusloom.schemas.identity import make_key
from corpusloom.schemas.records import Member, SidecarRow
from corpusloom.trainers.stream.samples.npz import load_arrays
from corpusloom.trainers.stream.samples.typed import RegionsSample
from tests.trainers.datasets import close_shard

COLOURS, SHAPES = ("red", "green", "blue", "yellow"), ("square", "disc", "star", "ring")
WIDTH, CLASSES = 10, 12


def region_sample(number: int, *, boxes: int | None = None) -> RegionsSample:
    """Return sample `number`; its features and its caption have the same colour and shape."""
    rng = np.random.default_rng(number)
    colour, shape = number % 4, number // 4 % 4
    count = boxes or int(rng.integers(4, 8))
    low = rng.uniform(0, 40, (count, 2))
    corners = np.concatenate([low, low + rng.uniform(5, 40, (count, 2))], axis=1).astype(np.float32)
    features = rng.normal(0, 0.1, (count, WIDTH)).astype(np.float16)
    features[:, colour] += 1
    features[:, 4 + shape] += 1
    probabilities = rng.dirichlet(np.ones(CLASSES), count).astype(np.float16)
    info = {"regions": {"image_width": 100, "image_height": 80}}
    text = f"a {COLOURS[colour]} {SHAPES[shape]}"
    return RegionsSample(make_key("pair", str(number)), b"jpg", text, info, corners, features, probabilities)


def write_regions(folder: Path, count: int, *, held_out: int = 0, first: int = 0) -> str:
    """Write one shard of `count` samples, the last `held_out` of them in the split "val"; return the path."""
    samples = [region_sample(number) for number in range(first, first + count)]
    splits = {s.key: "val" if number >= count - held_out else "train" for number, s in enumerate(samples)}
    ordered = sorted(samples, key=lambda sample: sample.key)
    folder.mkdir(parents=True, exist_ok=True)
    written = write_shard(str(folder / "00000.tar"), [(sample.key, members(sample)) for sample in ordered])
    rows = [
        SidecarRow(
            key=sample.key,
            url=f"http://x/{sample.key}",
            caption=sample.text,
            split=splits[sample.key],
            members=tuple(Member(field=f, offset=o, size=s, stored_sha256=h, crc32c=c) for f, o, s, h, c in places),
        )
        for sample, (_, places) in zip(ordered, written.samples, strict=True)
    ]
    return close_shard(folder, "regions", rows)


def members(sample: RegionsSample) -> dict[str, bytes]:
    archive = encode_regions(sample.boxes, sample.features, sample.class_probs)
    assert set(load_arrays(io.BytesIO(archive).getvalue())) == {"boxes", "features", "class_probs"}
    body = json.dumps(sample.info).encode()
    return {"jpg": sample.image, "json": body, "regions.npz": archive, "txt": sample.text.encode()}
