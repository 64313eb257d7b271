"""CIDEr-D, the similarity of a caption to its references (arXiv 1411.5726, section 5, equation 4)."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

ORDERS = (1, 2, 3, 4)
"""Lengths of the n-grams."""
SIGMA = 6.0
"""Width of the penalty of a difference in length, in words."""
SCALE = 10.0

Grams = Mapping[tuple[str, ...], float]


def cider(captions: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> list[float]:
    """Return the CIDEr-D of each caption, from 0 to 10, given the words of captions and of the references per image.

    The mean over captions is the figure of a benchmark. Document frequencies are those of the references: an n-gram's
    is the number of images with a reference that has it. With one image all weights are 0, as the formula says.
    """
    frequency = Counter[tuple[str, ...]]()
    for own in references:
        frequency.update({gram for words in own for gram in _counts(words)})
    images = math.log(len(references))

    def weigh(words: Sequence[str]) -> list[dict[tuple[str, ...], float]]:
        """Return tf-idf per length of n-grams; an n-gram that no reference has weighs as one of a single image."""
        weights: list[dict[tuple[str, ...], float]] = [{} for _ in ORDERS]
        for gram, count in _counts(words).items():
            weights[len(gram) - 1][gram] = count * (images - math.log(max(1, frequency[gram])))
        return weights

    scores = []
    for caption, own in zip(captions, references, strict=True):
        weights = weigh(caption)
        found = [_similarity(weights, weigh(words), len(caption) - len(words)) for words in own]
        scores.append(SCALE * sum(found) / len(found))
    return scores


def _counts(words: Sequence[str]) -> Counter[tuple[str, ...]]:
    """Return how often each n-gram occurs."""
    return Counter(tuple(words[at : at + n]) for n in ORDERS for at in range(len(words) - n + 1))


def _similarity(caption: Sequence[Grams], reference: Sequence[Grams], longer: int) -> float:
    """Return the mean over n of the cosine, the caption's weights clipped to the reference's, times the penalty."""
    cosines = []
    for own, other in zip(caption, reference, strict=True):
        product = sum(min(weight, other[gram]) * other[gram] for gram, weight in own.items() if gram in other)
        norms = _norm(own) * _norm(other)
        cosines.append(product / norms if norms else 0.0)
    return sum(cosines) / len(cosines) * math.exp(-(longer**2) / (2 * SIGMA**2))


def _norm(weights: Grams) -> float:
    return math.sqrt(sum(weight * weight for weight in weights.values()))
