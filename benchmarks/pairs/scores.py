"""CLIP scores of pairs: the stage of a build against the model alone, on models with random weights.

ViT-B/32's shape runs against the bare model on tensors that are decoded and tokenised before; clip-tiny's, on a run of
which decoding is a large part, against decoding, tokenising and model in one loop. Both sides have the batch size of
the stage and one thread. The stage also reads and checks the images of the store, groups texts and images, and commits
the scores.
"""

import io
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.bounded_rows import Row
from benchmarks.pairs.alternating import Seconds, alternate
from benchmarks.pairs.config import PairsConfig
from benchmarks.pairs.made_texts import make_texts, make_words
from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.builds.plan import Planner
from corpusloom.pipelines.builds.run_stages import Stages
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.runners import Profile, run
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.scores import clip_scores
from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer, learn_merges
from corpusloom.trainers.embedding.encoder import Encoder
from corpusloom.trainers.jobs.encode import BATCH

SHAPES = {
    "b32": CLIPConfig(embed_dim=512, activation="quick_gelu", image=ImageTowerConfig(), text=TextTowerConfig()),
    "tiny": CLIPConfig(
        embed_dim=64,
        activation="quick_gelu",
        image=ImageTowerConfig(size=32, layers=(1, 2, 2, 1), width=8, heads=8),
        text=TextTowerConfig(vocab_size=1024, context=8, layers=1, width=64, heads=4),
    ),
}
PAIRS = {"b32": 32, "tiny": 2_048}
SIDES = {"b32": 320, "tiny": 128}
"""Width and height of the JPEGs, in pixels."""


@cache
def load_shape(name: str) -> Encoder:
    """Return a CLIP of a shape with random weights, by the seed 0."""
    torch.manual_seed(0)
    config = SHAPES[name]
    words = make_words(500, random.Random(0))
    tokenizer = ClipTokenizer(learn_merges(words * 3, 1024), context=config.text.context)
    return Encoder(CLIP(config), tokenizer, path=name, batch_size=BATCH)


def make_images(number: int, side: int, rng: np.random.Generator) -> list[bytes]:
    """Return JPEGs of smooth noise."""
    found = []
    for _ in range(number):
        image = Image.fromarray(rng.integers(0, 256, (side // 16, side // 16, 3), dtype=np.uint8))
        out = io.BytesIO()
        image.resize((side, side), Image.Resampling.BICUBIC).save(out, "jpeg", quality=90)
        found.append(out.getvalue())
    return found


@dataclass(frozen=True)
class Sides:
    """Both sides of a comparison over the same pairs."""

    stage: Callable[[], object]
    alone: Callable[[], object]


def prepare(name: str, folder: Path, seed: int) -> Sides:
    """Store pairs, and return the stage and the model alone on them."""
    from tests.pipelines.stages.scores.scored_builds import LOOSE, write_images

    number, rng = PAIRS[name], random.Random(seed)
    images = make_images(number, SIDES[name], np.random.default_rng(seed))
    texts = [f"{text} {place}" for place, text in enumerate(make_texts(make_words(500, rng), number, rng))]
    source = write_images(folder / "in", list(zip(images, texts, strict=True)), extension="jpg")
    config = BuildConfig(
        recipe=load_recipe("align", LOOSE),
        out=str(folder / "out"),
        work=str(folder / "work"),
        store=str(folder / "store"),
        from_img2dataset=(source,),
        fetch=FetchConfig(),
        workers=1,
    )
    quiet = Reporter(quiet=True)
    build.build(config, quiet, until="images")
    planner = Planner(config)
    extract, inputs = planner.planned_pages()
    select, encoder = planner.plan_select(extract), load_shape(name)
    records, runs = Stages(planner, quiet).selected_records(str(folder), inputs, select), count()

    def stage() -> None:
        scoring = clip_scores.ClipScoring(
            records=records,
            store=config.store,
            folder=str(folder / f"scores-{next(runs)}"),
            model=name,
            digest=encoder.identity.digest,
            load=load_shape,
        )
        run(lambda pipeline: clip_scores.build(pipeline, scoring, [0]), Profile())

    pixels = np.stack([encoder.prepare(image) for image in images[: number if name == "b32" else 1]])

    def bare() -> None:
        for start in range(0, number, BATCH):
            encoder.images(pixels[start : start + BATCH])
            encoder.texts(texts[start : start + BATCH])

    def loop() -> None:
        for start in range(0, number, BATCH):
            encoder.images(np.stack([encoder.prepare(image) for image in images[start : start + BATCH]]))
            encoder.texts(texts[start : start + BATCH])

    return Sides(stage, bare if name == "b32" else loop)


def measure(name: str, config: PairsConfig) -> tuple[Seconds, Seconds]:
    """Return the seconds of the stage and of the model alone."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sides = prepare(name, Path(folder), config.rng_seed)
        found = alternate({"stage": sides.stage, "alone": sides.alone}, config.rounds)
    return found["stage"], found["alone"]


def rows(config: PairsConfig) -> Iterator[Row]:
    """Yield the rate of the stage over that of the model alone, for both shapes, by CPU seconds."""
    against = {"b32": "ViT-B/32 / model on tensors", "tiny": "clip-tiny / decoding and model in a loop"}
    for name, label in against.items():
        stage, alone = measure(name, config)
        rates = f"{PAIRS[name] / stage.cpu:,.1f} pairs per CPU s, alone {PAIRS[name] / alone.cpu:,.1f}"
        note = f"{rates}; wall {alone.wall / stage.wall:.2f} x"
        yield Row(f"CLIP scores, {label}", alone.cpu / stage.cpu, 0.8, 0.95, False, note)
