"""Measures embedding: `python -m benchmarks.embed [--only clip-tiny] [--images 512] [--json]`.

Two ratios of images per second on this machine's cores, of the same images and in alternation:
- `loom embed`'s images with a model of ViT-B/32's shape at 224 pixels, against the model alone on tensors in memory;
- with clip-tiny, against reading, decoding and resizing alone, in as many threads.
Weights are random; images are JPEGs of 500 x 375 pixels with the spectrum of photographs. Seconds are the least of
`rounds`: wall time, and CPU time beside it, which other programs disturb less.
"""

import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from PIL import Image

from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.task import build_model
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer
from corpusloom.trainers.embedding.encoder import Encoder
from corpusloom.trainers.embedding.parts import image_writer
from corpusloom.trainers.embedding.plan import make_plan
from corpusloom.trainers.jobs.embed import cores
from corpusloom.trainers.stream.plan import SamplePlace
from corpusloom.trainers.stream.sample_reader import ReaderConfig, SampleReader
from corpusloom.trainers.training.config import load_config
from tests.trainers.stream.datasets import make_dataset

SIZE = (500, 375)
Shape = Literal["clip-vit-b-32", "clip-tiny"]
BOUNDS = {"clip-vit-b-32": (0.85, 0.95), "clip-tiny": (0.8, 0.9)}


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkConfig:
    """Shapes of models, numbers of images and rounds."""

    only: tuple[Shape, ...] = ("clip-vit-b-32", "clip-tiny")
    """Shapes of models."""
    images: int = 512
    """Images per round with ViT-B/32; clip-tiny gets four times as many."""
    rounds: int = 5
    """Rounds of which the least time counts."""
    batch_size: int = 64
    """Images per forward pass."""
    json: bool = False
    """Print one JSON object per measure."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """Least seconds of a piece of work."""

    wall: float = float("inf")
    cpu: float = float("inf")

    def least(self, work: Callable[[], object]) -> "Seconds":
        """Run the work; return the least of its seconds and these."""
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        return Seconds(min(self.wall, time.perf_counter() - wall), min(self.cpu, time.process_time() - cpu))


def photograph(number: int) -> bytes:
    """Return a JPEG whose amplitudes fall with the frequency, as in photographs."""
    rng = np.random.default_rng(number)
    width, height = SIZE
    across, down = np.meshgrid(np.fft.fftfreq(width), np.fft.fftfreq(height))
    spectrum = 1 / np.maximum(np.hypot(across, down), 1 / width)
    planes = [np.fft.ifft2(np.fft.fft2(rng.normal(size=(height, width))) * spectrum).real for _ in range(3)]
    pixels = np.stack([planes[0] + 0.2 * plane for plane in planes], 2)
    scaled = 127 + 50 * (pixels - pixels.mean()) / pixels.std()
    sink = io.BytesIO()
    Image.fromarray(scaled.clip(0, 255).astype(np.uint8)).save(sink, "JPEG", quality=90)
    return sink.getvalue()


def write_photographs(folder: Path, count: int) -> str:
    """Write pairs of distinct images: 16 photographs, each with a comment of its own in every copy."""
    bases = [photograph(number) for number in range(16)]
    pairs = []
    for number in range(count):
        base, comment = bases[number % len(bases)], b"\xff\xfe\x00\x06" + number.to_bytes(4, "big")
        members = {"jpg": base[:2] + comment + base[2:], "txt": b"a picture"}
        pairs.append((f"{number:032x}", members))
    return make_dataset(folder, "pairs", pairs, shards=1)


def decode_alone(reader: SampleReader, count: int, size: int) -> None:
    """Read, decode and resize every image in as many threads as `loom embed` has."""

    def one(row: int) -> None:
        evaluation_image(reader.read(SamplePlace(row, 0, 0, 0, row), check=True)[1]["jpg"], size)

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(one, range(count)))


def model_alone(encoder: Encoder, pixels: np.ndarray, count: int, batch_size: int) -> None:
    """Embed as many images as there are, all from one batch in memory."""
    for _ in range(0, count, batch_size):
        encoder.images(pixels)


def measure(shape: Shape, config: BenchmarkConfig) -> dict[str, object]:
    """Return the ratio of a shape, and the images per second of both."""
    run = load_config(shape)
    torch.manual_seed(0)
    model = build_model(run).eval()
    encoder = Encoder(model, ClipTokenizer([], model.config.text.context), path=shape, batch_size=config.batch_size)
    size, count = model.config.image.size, config.images * (4 if shape == "clip-tiny" else 1)
    pixels = np.random.default_rng(0).integers(0, 256, (config.batch_size, 3, size, size), dtype=np.uint8)
    ours, alone = Seconds(), Seconds()
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(_reader(folder, count)) as reader:
        plan = make_plan(reader)
        assert len(plan.images) == count
        for number in range(config.rounds):
            out = f"{folder}/embeddings-{number}"
            ours = ours.least(lambda out=out: image_writer(plan, reader, encoder, out, "x").run(cores()))
            if shape == "clip-tiny":
                alone = alone.least(lambda: decode_alone(reader, count, size))
            else:
                alone = alone.least(lambda: model_alone(encoder, pixels, count, config.batch_size))
    bound, aim = BOUNDS[shape]
    return {
        "measure": f"{shape}: images per second / {'decoding' if shape == 'clip-tiny' else 'the model'} alone",
        "ratio": round(alone.wall / ours.wall, 3), "cpu_ratio": round(alone.cpu / ours.cpu, 3),
        "bound": bound, "aim": aim, "images_per_second": round(count / ours.wall, 1),
        "alone": round(count / alone.wall, 1), "cpu_ms": round(1e3 * ours.cpu / count, 2),
        "cpu_ms_alone": round(1e3 * alone.cpu / count, 2),
    }  # fmt: skip


def _reader(folder: str, count: int) -> SampleReader:
    return SampleReader(ReaderConfig(paths=(write_photographs(Path(folder) / "data", count),)))


def main(config: BenchmarkConfig) -> int:
    """Measure and print; 1 if a bound is missed."""
    torch.set_num_threads(cores())
    missed = False
    for shape in config.only:
        found = measure(shape, config)
        missed |= float(str(found["ratio"])) < float(str(found["bound"]))
        print(json.dumps(found) if config.json else "  ".join(f"{k} {v}" for k, v in found.items()), flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(BenchmarkConfig)))
