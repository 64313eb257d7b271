"""Plan of the benchmark: datasets, runs, and each run's differences from the base run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.claims_clip.datasets import Pair, by_rules, make_pairs, plant_noise, write_dataset
from benchmarks.claims_clip.emoji import Emoji
from benchmarks.claims_clip.measure import caption_scores
from benchmarks.claims_common.runs import Run

BATCH, STEPS, LR = 128, 400, 3e-3
CONFIG = Path(__file__).parents[2] / "trainers" / "configs" / "clip" / "clip-small.toml"
SHORTER = ("train.warmup=0.05", "train.checkpoint_every=100", "train.log_every=100")
"""Settings of every run of clip-small: its steps are fewer."""
NOISE = 0.2
"""Share of pairs with another picture's caption, and again of pairs with boilerplate."""
KEPT = 0.7
"""Share of the pairs that the filter by score keeps: those whose picture and caption have the largest cosine."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A run's differences from the base run."""

    name: str
    data: str = "clean"
    batch: int = BATCH
    steps: int = STEPS
    loss: str = "softmax"

    def settings(self) -> tuple[str, ...]:
        """Return the assignments; the learning rate follows the square root of the batch size."""
        rate = LR * (self.batch / BATCH) ** 0.5
        own = (f"train.batch_size={self.batch}", f"train.steps={self.steps}", f"train.lr={rate:.3g}")
        return (*SHORTER, *own, f"model.loss={self.loss}")


BASE = Variant("base")
EQUAL_SAMPLES = (
    Variant("batch 32, equal samples", batch=32, steps=4 * STEPS),
    Variant("batch 512, equal samples", batch=512, steps=STEPS // 4),
)
EQUAL_STEPS = (Variant("batch 32, equal steps", batch=32), Variant("batch 256, equal steps", batch=256))
SIGMOID = (
    Variant("sigmoid, batch 32", batch=32, steps=4 * STEPS, loss="sigmoid"),
    Variant("sigmoid, batch 128", loss="sigmoid"),
)
NOISY = Variant("noisy", data="noisy")
FILTERED = (Variant("filtered by rules", data="rules"), Variant("filtered by rules and score", data="score"))


def make_datasets(artists: Mapping[str, Sequence[Emoji]]) -> dict[str, list[Pair]]:
    """Return name -> pairs of the datasets that need no model: clean, noisy, and filtered by rules."""
    clean = make_pairs(emoji for artist in artists.values() for emoji in artist)
    noisy = plant_noise(clean, NOISE, np.random.default_rng(0))
    return {"clean": clean, "noisy": noisy, "rules": by_rules(noisy)}


def filter_by_score(pairs: Sequence[Pair], scorer: Path) -> list[Pair]:
    """Return the pairs with the largest cosines under a model that was trained on the noisy pairs."""
    scores = caption_scores(scorer, pairs)
    return [pairs[at] for at in sorted(np.argsort(-scores)[: round(KEPT * len(pairs))])]


def run_of(variant: Variant, data: str, seed: int) -> Run:
    """Return the training run of a variant."""
    return Run(variant.name, str(CONFIG), (data,), variant.settings(), seed)


def shorter(variant: Variant, share: float) -> Variant:
    """Return a variant with a share of the steps, for trials of the benchmark."""
    return replace(variant, steps=max(2, round(share * variant.steps)))


def written(pairs: Mapping[str, Sequence[Pair]], folder: Path) -> dict[str, str]:
    """Return name -> path of the datasets, written where they are missing."""
    return {name: write_dataset(of, folder / name) for name, of in pairs.items()}
