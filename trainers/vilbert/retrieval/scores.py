"""The alignment scores of all pairs of captions and images, with the work that pairs share done once.

Each caption and each image is encoded up to the first connection for all of its pairs together (arXiv 1908.02265,
section 3.2, does so for the text). Captions are taken in the order of their lengths and images in that of their numbers
of regions, so that pairs which are computed together have little padding. Only the scores are kept for all pairs.

Shapes: M captions, T tokens, N images, R regions with IMG first, F feature width, V visual width.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from corpusloom.trainers.evaluation.batches import EvaluationSettings, ItemSource, measure_batches
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.numerics import autocast
from corpusloom.trainers.vilbert.model.blocks import Pairs
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT

PAIRS = {"cpu": 32}
"""Device type -> pairs that are computed together: on a CPU as many as its caches hold the activations of."""
MANY_PAIRS = 512
"""The same for any other device."""


@dataclass(frozen=True, slots=True)
class CaptionInputs:
    """Token ids of captions."""

    tokens: Tensor
    """(M, T) int."""
    mask: Tensor
    """Which are no padding, (M, T) bool."""

    def of(self, numbers: Sequence[int], length: int) -> "CaptionInputs":
        """Return some captions, cut at a length."""
        return CaptionInputs(self.tokens[numbers, :length], self.mask[numbers, :length])


@dataclass(frozen=True, slots=True)
class RegionInputs:
    """Inputs of images."""

    features: Tensor
    """(N, R, F)."""
    locations: Tensor
    """(N, R, 5)."""
    mask: Tensor
    """Which are no padding, (N, R) bool."""


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """Images up to the first connection, in the order of their numbers of regions."""

    stream: Tensor
    """(N, R, V)."""
    mask: Tensor
    """(N, R) bool."""
    counts: Sequence[int]
    """Regions of each image, with IMG, ascending."""
    columns: Tensor
    """Place of each image in the order in which the images were given, (N,)."""

    def part(self, start: int, size: int) -> tuple[Tensor, Tensor]:
        """Return stream and mask of at most `size` images from the place `start` on, without padding of all of them."""
        end = min(start + size, len(self.counts))
        return self.stream[start:end, : self.counts[end - 1]], self.mask[start:end, : self.counts[end - 1]]

    def parts(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the parts of at most `size` images each."""
        return (self.part(start, size) for start in range(0, len(self.counts), size))


def score_pool(
    model: ViLBERT, captions: CaptionInputs, regions: RegionInputs, settings: EvaluationSettings, where: str
) -> tuple[Tensor, int]:
    """Return the scores of all captions with all images, (M, N) on the CPU, and how many batches were finished before.

    The data ranks share the captions. `settings.note` receives the expected time before the work begins.
    """
    device = captions.tokens.device
    with torch.no_grad(), autocast(settings.precision, device):
        images = encode_images(model, regions, settings.batch_size)
    lengths = captions.mask.sum(1).tolist()
    order = sorted(range(len(lengths)), key=lengths.__getitem__)

    def measure(numbers: Sequence[int]) -> dict[str, Tensor]:
        return {"number": torch.tensor(numbers), "scores": score_captions(model, captions, list(numbers), images)}

    if settings.note is not None:
        middle = order[len(order) // 2]
        with torch.no_grad(), autocast(settings.precision, device):
            settings.note(expected_time(model, captions.of([middle], lengths[middle]), images, len(order)))
    found = measure_batches(ItemSource(order, lambda number: number, str, where), measure, settings, device)
    return found.tensors["scores"][found.tensors["number"].argsort()], found.reused


def encode_images(model: ViLBERT, regions: RegionInputs, batch_size: int) -> EncodedImages:
    """Return images up to the first connection, `batch_size` of them computed at a time."""
    counts = regions.mask.sum(1)
    columns = counts.argsort(stable=True)
    dtype = model.alignment.weight.dtype
    pieces = [
        model.encode_image(regions.features[part].to(dtype), regions.locations[part].to(dtype), regions.mask[part])
        for part in columns.split(batch_size)
    ]
    return EncodedImages(torch.cat(pieces), regions.mask[columns], counts[columns].tolist(), columns)


def score_captions(
    model: ViLBERT, captions: CaptionInputs, numbers: Sequence[int], images: EncodedImages, most: int | None = None
) -> Tensor:
    """Return the scores of some captions with every image, (captions, N); at most `most` pairs are computed together.

    Captions of one length that follow each other are computed together. If several ranks evaluate, the number of
    forward passes depends on the number of captions alone, as a model that is sharded needs; captions are then padded
    to the longest of those that are computed together.
    """
    most = most or pairs_together(captions.tokens.device)
    size = max(1, math.isqrt(most))
    lengths = captions.mask[list(numbers)].sum(1).tolist()
    if distributed.data_ranks() > 1:
        parts = [range(start, min(start + size, len(numbers))) for start in range(0, len(numbers), size)]
    else:
        parts = list(_equal_lengths(lengths, size))
    found = []
    for part in parts:
        some = captions.of([numbers[place] for place in part], max(lengths[place] for place in part))
        found.append(_score_group(model, some, images, max(1, most // min(size, len(part)))))
    return torch.cat(found)


def _equal_lengths(lengths: Sequence[int], size: int) -> Iterator[range]:
    """Yield the places of at most `size` equal lengths that follow each other."""
    start = 0
    for _, group in groupby(lengths):
        end = start + len(list(group))
        for first in range(start, end, size):
            yield range(first, min(first + size, end))
        start = end


def pairs_together(device: torch.device) -> int:
    """Return how many pairs are computed together on a device."""
    return PAIRS.get(device.type, MANY_PAIRS)


def expected_time(model: ViLBERT, caption: CaptionInputs, images: EncodedImages, captions: int) -> str:
    """Return a line with the number of pairs and the time that they will take, as the pairs of one caption tell it.

    Images with a middle number of regions stand for all of them; the first of two passes is not counted.
    """
    size = min(len(images.counts), pairs_together(caption.tokens.device))
    image, mask = images.part((len(images.counts) - size) // 2, size)
    text = model.encode_text(caption.tokens, caption.mask)
    seconds = 0.0
    for _ in range(2):
        begun = time.perf_counter()
        float(_score_pass(model, text, caption.mask, image, mask).sum())  # waits for the device
        seconds = time.perf_counter() - begun
    pairs, ranks = captions * len(images.counts), distributed.data_ranks()
    total = pairs * seconds / size / ranks
    sharing = "" if ranks == 1 else f", shared by {ranks} ranks"
    return (
        f"{captions:,} captions x {len(images.counts):,} images are {pairs:,} pairs; "
        f"{size} of them took {seconds:.3g} s: about {duration(total)} for all{sharing}"
    )


def duration(seconds: float) -> str:
    """Return seconds, minutes or hours, such as "12 min"."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.3g} s"


def _score_group(model: ViLBERT, captions: CaptionInputs, images: EncodedImages, per_pass: int) -> Tensor:
    """Return the scores of captions of one length with every image, in the order in which the images were given."""
    text = model.encode_text(captions.tokens, captions.mask)
    scores = torch.cat([_score_pass(model, text, captions.mask, *part) for part in images.parts(per_pass)], dim=1)
    return torch.empty_like(scores).index_copy_(1, images.columns, scores)


def _score_pass(model: ViLBERT, text: Tensor, text_mask: Tensor, image: Tensor, image_mask: Tensor) -> Tensor:
    """Return the scores of some captions with some images, (captions, images)."""
    rows, columns = torch.meshgrid(
        torch.arange(len(text), device=text.device), torch.arange(len(image), device=text.device), indexing="ij"
    )
    pairs = Pairs(rows.flatten(), columns.flatten())
    return model.score(text, text_mask, image, image_mask, pairs).float().view(rows.shape)
