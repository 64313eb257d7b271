"""Times ViLBERT's retrieval at the published widths: `python -m benchmarks.vilbert_retrieval`.

All captions are scored with all images as `loom eval retrieval` does it, and one pair after another by whole forward
passes: with captions padded to 36 tokens as the data gives them, and without padding. The scores are compared. The
three alternate in one process; pairs alone are timed on some images, and their seconds per pair are extrapolated.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import tyro
from torch import Tensor

from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.vilbert.config import model_config
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.retrieval.scores import CaptionInputs, RegionInputs, score_pool

LEAST, AIM = 1.6, 1.9
"""Bound and aim of the CPU seconds per pair alone, without padding, over those of the pool."""
LENGTHS = (10, 13, 16, 21)
"""Tokens of the captions: Flickr30k's have 12 words on average."""
TOLERANCE = 1e-5


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrievalBenchmarkConfig:
    """Size of the pool."""

    captions: int = 4
    """Captions, whose lengths take turns."""
    images: int = 50
    """Images of 36 regions."""
    alone: int = 4
    """Images with which each caption is scored one pair after another."""
    tokens: int = 36
    """Tokens to which captions are padded."""
    threads: int = 1
    """Torch threads."""
    rounds: int = 3
    """Rounds, of which the least seconds count."""


def make_pool(config: RetrievalBenchmarkConfig, width: int) -> tuple[CaptionInputs, RegionInputs]:
    """Return random captions and images."""
    lengths = torch.tensor([LENGTHS[number % len(LENGTHS)] for number in range(config.captions)])
    mask = torch.arange(config.tokens) < lengths[:, None]
    tokens = torch.randint(1000, 30_000, mask.shape) * mask
    regions = (config.images, 37)
    features = torch.rand(*regions, width).half()
    return CaptionInputs(tokens, mask), RegionInputs(features, torch.rand(*regions, 5), torch.ones(regions) > 0)


def score_alone(model: ViLBERT, captions: CaptionInputs, regions: RegionInputs, images: int, *, padded: bool) -> Tensor:
    """Return the scores of all captions with the first images, one forward pass per pair."""
    found = torch.empty(len(captions.tokens), images)
    with torch.no_grad():
        for caption in range(len(found)):
            length = None if padded else int(captions.mask[caption].sum())
            text = captions.of([caption], length or captions.tokens.shape[1])
            for image in range(images):
                one = slice(image, image + 1)
                inputs = regions.features[one].float(), regions.locations[one], regions.mask[one]
                logits = model(text.tokens, text.mask, *inputs).alignment[0]
                found[caption, image] = logits[0] - logits[1]
    return found


def timed(work: Callable[[], Tensor]) -> tuple[Tensor, Tensor]:
    """Return the result of some work, and its process CPU and wall seconds."""
    begun = torch.tensor([time.process_time(), time.perf_counter()], dtype=torch.float64)
    found = work()
    return found, torch.tensor([time.process_time(), time.perf_counter()], dtype=torch.float64) - begun


def main(config: RetrievalBenchmarkConfig) -> int:
    """Print seconds per pair and ratios; return 1 if the scores differ or the ratio is below the bound."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(0)
    model = ViLBERT(model_config(load_config("vilbert-base"))).eval()
    captions, regions = make_pool(config, model.config.feature_width)
    settings = EvaluationSettings(workers=1)
    ways: dict[str, Callable[[], Tensor]] = {
        "the pool": lambda: score_pool(model, captions, regions, settings, "pool")[0],
        "pairs alone, padded": lambda: score_alone(model, captions, regions, config.alone, padded=True),
        "pairs alone": lambda: score_alone(model, captions, regions, config.alone, padded=False),
    }
    seconds = {name: torch.full((2,), torch.inf, dtype=torch.float64) for name in ways}
    scores = {}
    for _ in range(config.rounds):
        for name, way in ways.items():
            scores[name], spent = timed(way)
            seconds[name] = torch.minimum(seconds[name], spent / scores[name].numel())
    far = max(float((found - scores["the pool"][:, : config.alone]).abs().max()) for found in list(scores.values())[1:])
    print(f"{config.captions} captions x {config.images} images, threads: {config.threads}, rounds: {config.rounds}")
    for name, (cpu, wall) in ((name, values.tolist()) for name, values in seconds.items()):
        more = (seconds[name] / seconds["the pool"]).tolist()
        shown = f"{1000 * cpu:6.1f} CPU ms ({more[0]:.2f} x), {1000 * wall:6.1f} wall ms ({more[1]:.2f} x)"
        print(f"  {name:20} {shown} per pair")
    ratio = float(seconds["pairs alone"][0] / seconds["the pool"][0])
    print(f"scores differ by {far:.1e} at most; CPU ratio {ratio:.2f}, bound {LEAST}, aim {AIM}")
    return int(far > TOLERANCE or ratio < LEAST)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(RetrievalBenchmarkConfig, description=__doc__)))
