"""Multinomial logistic regression, and the search for its regularisation (arXiv 2103.00020, appendix A.3).

Shapes: N rows, D features, C classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

STRENGTHS = tuple(10 ** (exponent / 8 - 6) for exponent in range(97))
"""Values of C, the inverse strength of the regularisation: eight per decade from 1e-6 to 1e6."""
FIRST_STEP = 16
"""Places between the values that are tried first: two decades."""
MOST_ITERATIONS = 1000
TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class LinearClassifier:
    """Scores of classes as linear functions of features, in double precision."""

    weight: Tensor
    """(C, D)."""
    bias: Tensor
    """(C,)."""

    def __call__(self, features: Tensor) -> Tensor:
        """(N, D) -> (N, C)."""
        return features.double() @ self.weight.T + self.bias


def fit(
    features: Tensor, labels: Tensor, classes: int, strength: float, start: LinearClassifier | None = None
) -> LinearClassifier:
    """Minimise C times the sum of cross entropies plus half the squared norm of the weights, by L-BFGS.

    (N, D), (N,) int; the bias is not regularised, as in scikit-learn. `start` is where the search begins, by default
    zero; the minimum does not depend on it.
    """
    inputs, count = features.double(), len(features)
    weight = (start.weight if start else inputs.new_zeros(classes, inputs.shape[1])).clone().requires_grad_()
    bias = (start.bias if start else inputs.new_zeros(classes)).clone().requires_grad_()
    search = torch.optim.LBFGS(
        [weight, bias],
        max_iter=MOST_ITERATIONS,
        max_eval=2 * MOST_ITERATIONS,
        tolerance_grad=TOLERANCE,
        tolerance_change=1e-12,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        search.zero_grad()
        loss = F.cross_entropy(inputs @ weight.T + bias, labels) + weight.square().sum() / (2 * strength * count)
        loss.backward()
        return loss

    with torch.enable_grad():
        search.step(closure)
    return LinearClassifier(weight.detach(), bias.detach())


def choose_strength(train: tuple[Tensor, Tensor], held: tuple[Tensor, Tensor], classes: int) -> float:
    """Return the C of STRENGTHS with the highest accuracy on held-out rows, (features, labels) each.

    Seven values two decades apart are tried, then those halfway to the neighbours of the best one, down to an eighth
    of a decade. Of equally good values the smallest is taken.
    """
    found: dict[int, tuple[float, LinearClassifier]] = {}

    def accuracy(place: int) -> float:
        if place not in found:
            near = min(found, key=lambda other: abs(other - place), default=None)
            fitted = fit(*train, classes, STRENGTHS[place], None if near is None else found[near][1])
            found[place] = float((fitted(held[0]).argmax(1) == held[1]).double().mean()), fitted
        return found[place][0]

    def best(places: list[int]) -> int:
        return max(places, key=lambda place: (accuracy(place), -place))

    step, peak = FIRST_STEP, best(list(range(0, len(STRENGTHS), FIRST_STEP)))
    while step > 1:
        step //= 2
        peak = best([place for place in (peak - step, peak, peak + step) if 0 <= place < len(STRENGTHS)])
    return STRENGTHS[peak]
