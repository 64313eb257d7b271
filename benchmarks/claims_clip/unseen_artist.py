"""Zero-shot naming of an unseen artist's emoji: `python -m benchmarks.claims_clip.unseen_artist [--unseen noto]`.

Trains clip-small as it ships on all pictures of twemoji, noto, openmoji and emojione but the unseen artist's, each with
its name as the caption, and prints R@1 and R@10 among the unseen artist's names (without variants of the skin's colour)
with 95 % intervals, and the CPU seconds of training. The unseen artist may be any package @iconify-json/ARTIST, such as
fluent-emoji-flat. A killed run goes on, but its CPU seconds are those since the last start.
"""

import dataclasses
import json
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from benchmarks.claims_clip.datasets import make_pairs, write_dataset
from benchmarks.claims_clip.emoji import VERSIONS, default_cache, emoji_of, pixels_of
from benchmarks.claims_clip.measure import embed_images
from benchmarks.claims_clip.plan import CONFIG
from benchmarks.claims_common.runs import Run, train
from corpusloom.schemas.errors import LoomError
from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.clip.zero_shot.class_embeddings import embed_texts
from corpusloom.trainers.evaluation.figures import recalls


@dataclass(frozen=True, kw_only=True, slots=True)
class UnseenConfig:
    """The unseen artist, and the runs."""

    unseen: tuple[str, ...] = ("emojione",)
    """Artists on whom the model is tested; none of them trains it."""
    seeds: int = 1
    """Runs; each prints one line."""
    set: tuple[str, ...] = ()
    """Keys of clip-small to change: train.steps=1200 ..."""
    out: Path = Path(".claims-clip")
    """Folder of the datasets and runs."""
    cache: Path = dataclasses.field(default_factory=default_cache)
    """Folder of the packages and rendered pictures."""


@torch.no_grad()
def measure(run: Path, artist: str, cache: Path) -> dict[str, float]:
    """Return the figures of a run on an artist's pictures, each with its own name."""
    model, tokenizer = load_clip(str(run))
    model.eval()
    emoji = emoji_of(artist, cache)
    images = embed_images(model, [pixels_of(one) for one in emoji])
    names = embed_texts(model, tokenizer, [one.name for one in emoji])
    return dict(recalls("r", images @ names.T, torch.eye(len(emoji), dtype=torch.bool), (1, 10)))


def main(config: UnseenConfig) -> int:
    """Train and test each seed; print one JSON object per seed and artist."""
    artists = [artist for artist in VERSIONS if artist not in config.unseen]
    pairs = make_pairs((one for artist in artists for one in emoji_of(artist, config.cache, variants=True)), ("{c}",))
    data = write_dataset(pairs, config.out / f"names-of-{'-'.join(artists)}")
    for seed in range(config.seeds):
        run, before = Run("unseen artist", str(CONFIG), (data,), config.set, seed), _child_seconds()
        train([run], config.out / "runs", 1, seconds=float("inf"))
        seconds = round(_child_seconds() - before)
        for artist in config.unseen:
            figures = measure(run.folder(config.out / "runs"), artist, config.cache)
            rounded = {name: round(value, 4) for name, value in figures.items()}
            head = {"unseen": artist, "seed": seed, "pairs": len(pairs), "train_cpu_seconds": seconds}
            print(json.dumps(head | rounded), flush=True)
    return 0


def _child_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    try:
        sys.exit(main(tyro.cli(UnseenConfig, description=__doc__)))
    except LoomError as error:
        sys.exit(str(error))
