"""The claims: which runs each compares, and the rows of its table."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.claims_common.estimates import estimate
from benchmarks.claims_common.rows import Row, row
from benchmarks.claims_flamingo import plan
from benchmarks.claims_flamingo.bench import Bench
from benchmarks.claims_flamingo.measure import POOL_SHOTS, SHOTS, shots_name
from benchmarks.claims_flamingo.plan import BASE, Variant


def shots(bench: Bench) -> Iterator[Row]:
    """Captions are better after examples of the same page, and these examples matter."""
    claim, figure = "shots help", "F1"
    names = [shots_name(count) for count in SHOTS]
    found = {name: bench.values(BASE, f"F1, {name}") for name in names}
    yield Row(claim, figure, names[0], estimate(found[names[0]]))
    for before, name in itertools.pairwise(names):
        yield row(claim, figure, (name, names[0]), found[name], found[names[0]])
        if before != names[0]:
            yield row("more shots help more", figure, (name, before), found[name], found[before])
    for name, control in itertools.product((names[1], names[3]), ("shuffled images", "another page's")):
        other = f"{name}, {control}"
        yield row("control", figure, (name, other), found[name], bench.values(BASE, f"F1, {other}"))


def right_image(bench: Bench) -> Iterator[Row]:
    """A caption is likelier with its own image than with another of the page."""
    hits = bench.values(BASE, "right image")
    yield row("right image beats shuffled", "captions", ("right image", "chance"), hits, np.full_like(hits, 0.5))


def gates(bench: Bench) -> Iterator[Row]:
    """The gates, which are 0 at first, open."""
    before, after = bench.gates("before"), bench.gates("after")
    for column, kind in enumerate(("attention", "feed-forward")):
        yield row(
            "gates open", f"tanh of the gates, {kind}", ("after", "before"), after[..., column], before[..., column]
        )


def against(claim: str, base: str, variant: Variant) -> Callable[[Bench], Iterator[Row]]:
    """Return the claim that the base run, called `base` there, is better than a variant."""

    def rows(bench: Bench) -> Iterator[Row]:
        for figure in ("F1, 0 shots", "F1, 4 shots", "colour, 0 shots", "shape, 0 shots", "right image"):
            yield row(claim, figure, (base, variant.name), bench.values(BASE, figure), bench.values(variant, figure))

    return rows


def rices(bench: Bench) -> Iterator[Row]:
    """Shots whose images are similar to the query's are better than random ones."""
    for kind in ("F1", "colour", "shape"):
        found = [bench.pool_values(f"{kind}, {name}") for name in ("RICES", "random")]
        yield row("RICES beats random", f"{kind}, {POOL_SHOTS} shots of other pages", ("RICES", "random shots"), *found)


@dataclass(frozen=True, slots=True)
class Claim:
    """The rows of a claim, and what they need beside the base runs."""

    rows: Callable[[Bench], Iterator[Row]]
    variant: Variant | None = None
    pool: bool = False
    """Whether it needs captions after shots of a pool."""


CLAIMS = {
    "shots": Claim(shots),
    "image": Claim(right_image),
    "gates": Claim(gates),
    "accumulation": Claim(
        against("accumulation beats round robin", "accumulation", plan.ROUND_ROBIN), plan.ROUND_ROBIN
    ),
    "pages": Claim(against("pages beside pairs help", "pages and pairs", plan.PAIRS_ONLY), plan.PAIRS_ONLY),
    "tanh": Claim(against("tanh gating helps", "tanh gates", plan.UNGATED), plan.UNGATED),
    "resampler": Claim(against("the Resampler beats mean pooling", "Resampler", plan.MEAN_POOL), plan.MEAN_POOL),
    "rices": Claim(rices, pool=True),
}


def variants_of(names: Sequence[str]) -> list[Variant]:
    """Return the variants whose runs the claims compare: the base run and others, each once."""
    others = (CLAIMS[name].variant for name in names)
    return [BASE, *dict.fromkeys(variant for variant in others if variant is not None)]


def rows_of(bench: Bench, names: Sequence[str]) -> list[Row]:
    """Train and measure what the claims need, and return their rows."""
    bench.prepare(variants_of(names), pool=any(CLAIMS[name].pool for name in names))
    return [found for name in names for found in CLAIMS[name].rows(bench)]
