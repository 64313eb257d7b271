"""Zero-shot caption-based image retrieval: the pre-trained alignment head ranks images (section 3.2)."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from corpusloom.trainers.figures import recalls
from corpusloom.trainers.vilbert.model import ViLBERT

KS = (1, 5, 10)


@torch.no_grad()
def score_all(model: ViLBERT, batch: dict[str, Tensor], images_per_pass: int = 100) -> Tensor:
    """Return the probability of "aligned" of every caption with every image, (M, N).

    Up to the first connection the streams do not depend on each other and are computed once (section 3.2 does so for
    the text); the rest is computed for each caption with `images_per_pass` images at a time.
    """
    model.eval()
    texts, token_mask = model.encode_text(batch["original"], batch["token_mask"]), batch["token_mask"]
    region_mask = batch["region_mask"]
    images = model.encode_image(batch["features"].float(), batch["locations"], region_mask)
    rows = []
    for text, mask in zip(texts, token_mask, strict=True):
        scores = []
        for start in range(0, len(images), images_per_pass):
            part = slice(start, start + images_per_pass)
            count = len(images[part])
            outputs = model.join(text.expand(count, -1, -1), mask.expand(count, -1), images[part], region_mask[part])
            scores.append(outputs.alignment.softmax(1)[:, 0])
        rows.append(torch.cat(scores))
    return torch.stack(rows)


def retrieval(scores: Tensor, ks: Sequence[int] = KS) -> Iterator[tuple[str, float]]:
    """Yield R@k of captions, (M, N) where image i belongs to caption i, chance (that of R@1) and n."""
    yield from recalls("r", scores, torch.eye(len(scores), dtype=torch.bool), ks)
    yield "chance", 1 / scores.shape[1]
    yield "n", float(len(scores))


def evaluate_batch(model: ViLBERT, batch: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the retrieval figures of a batch of pairs, each caption against all images of the batch."""
    yield from retrieval(score_all(model, batch))
