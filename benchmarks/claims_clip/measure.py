"""Zero-shot ranks of an unseen artist's pictures among all its names.

Shapes: N pictures, each with its own name.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.claims_clip.datasets import TEMPLATES, Pair
from benchmarks.claims_clip.emoji import Emoji, pixels_of
from corpusloom.trainers.clip.data import resize_bicubic
from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.clip.zero_shot.class_embeddings import class_embeddings, embed_texts
from corpusloom.trainers.evaluation.figures import rank_of


def ranks_of(run: Path, unseen: Sequence[Emoji]) -> dict[str, np.ndarray]:
    """Return template -> (N,) ranks from 0 for each template alone, and for "ensemble", the mean over all of them.

    The ranks are kept in the run's folder.
    """
    kept = run / "ranks.npz"
    if not kept.exists():
        found = _measure(run, unseen)
        np.savez(kept, **{f"t{at}": ranks for at, ranks in enumerate(found)})
    with np.load(kept) as ranks:
        return {name: ranks[f"t{at}"] for at, name in enumerate((*TEMPLATES, "ensemble"))}


@torch.no_grad()
def _measure(run: Path, unseen: Sequence[Emoji]) -> list[np.ndarray]:
    model, tokenizer = load_clip(str(run))
    model.eval()
    images = embed_images(model, [pixels_of(emoji) for emoji in unseen])
    names, own = [emoji.name for emoji in unseen], torch.eye(len(unseen), dtype=torch.bool)
    used = [*((template,) for template in TEMPLATES), TEMPLATES]
    return [rank_of(images @ class_embeddings(model, tokenizer, names, one).T, own).numpy() for one in used]


@torch.no_grad()
def caption_scores(run: Path, pairs: Sequence[Pair]) -> np.ndarray:
    """Return the cosine of each pair's picture and caption, (N,): the score by which LAION-400M was filtered."""
    model, tokenizer = load_clip(str(run))
    model.eval()
    images = embed_images(model, [pixels_of(Emoji("", "", pair.png)) for pair in pairs])
    texts = embed_texts(model, tokenizer, [pair.caption for pair in pairs])
    return (images * texts).sum(1).numpy()


def embed_images(model: torch.nn.Module, pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """Return the embeddings of pictures, (N, E), resized as in evaluations."""
    size = model.config.image.size
    pixels = np.stack([resize_bicubic(picture, size) for picture in pictures]).transpose(0, 3, 1, 2)
    return torch.cat([model.encode_image(part) for part in torch.from_numpy(pixels.copy()).split(256)])
