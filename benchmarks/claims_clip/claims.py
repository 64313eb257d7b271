"""The claims: which runs each compares, and the rows of its table."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.claims_clip import plan
from benchmarks.claims_clip.datasets import TEMPLATES, Pair
from benchmarks.claims_clip.emoji import VERSIONS, Emoji, emoji_of, pixels_of
from benchmarks.claims_clip.floor import linear_scores
from benchmarks.claims_clip.measure import ranks_of
from benchmarks.claims_clip.plan import Variant
from benchmarks.claims_common.bench import ClaimsBench
from benchmarks.claims_common.estimates import Estimate, estimate, markdown_table
from benchmarks.claims_common.runs import Run, train_each
from corpusloom.schemas.errors import InputError


@dataclass(frozen=True, slots=True)
class Row:
    """A compared pair: R@1 and R@10 of one side, and the difference from the other side with its interval."""

    claim: str
    measured: str
    r1: Estimate
    r10: Estimate
    against: str = ""
    difference: Estimate | None = None
    """Difference of R@10 from `against`, paired by seed and picture."""

    @property
    def shows(self) -> str:
        """Return whether the interval of the difference excludes 0, and on which side."""
        if self.difference is None:
            return ""
        return {1: "better", -1: "worse", 0: "no difference shown"}[self.difference.sign]


@dataclass(kw_only=True)
class Bench(ClaimsBench):
    """Material and trained runs, made when a claim first needs them."""

    unseen: str
    share: float
    cache: Path

    def __post_init__(self) -> None:
        ClaimsBench.__post_init__(self)
        if self.unseen not in VERSIONS:
            raise InputError(f"no artist {self.unseen!r}", where="--unseen", remedy=f"one of {', '.join(VERSIONS)}")

    @property
    def folder(self) -> Path:
        """Folder of the runs, which differ by the unseen artist."""
        return self.out / self.unseen / "runs"

    @cached_property
    def test(self) -> list[Emoji]:
        """Return the unseen artist's pictures."""
        return emoji_of(self.unseen, self.cache)

    @cached_property
    def pairs(self) -> dict[str, list[Pair]]:
        """Return name -> pairs of the datasets of the other artists."""
        artists = {artist: emoji_of(artist, self.cache) for artist in VERSIONS if artist != self.unseen}
        return plan.make_datasets(artists)

    @cached_property
    def data(self) -> dict[str, str]:
        """Return name -> path of the datasets that need no model."""
        return plan.written(self.pairs, self.out / self.unseen)

    def runs(self, variants: Sequence[Variant]) -> dict[str, list[Path]]:
        """Return variant -> folders of its trained runs, one per seed; train those that are missing."""
        wanted = {variant.name: [self._run(variant, seed) for seed in range(self.seeds)] for variant in variants}
        return train_each(wanted, self.folder, self.processes, self.seconds_left)

    def ranks(self, variants: Sequence[Variant], template: str = "ensemble") -> dict[str, np.ndarray]:
        """Return variant -> (S, N) ranks of the right name."""
        found = self.runs(variants)
        return {name: np.stack([ranks_of(run, self.test)[template] for run in runs]) for name, runs in found.items()}

    def _run(self, variant: Variant, seed: int) -> Run:
        data = self._by_score(seed) if variant.data == "score" else self.data[variant.data]
        return plan.run_of(plan.shorter(variant, self.share), data, seed)

    def _by_score(self, seed: int) -> str:
        """Return the dataset that the noisy model of the same seed chooses from the one filtered by rules."""
        scorer = self.runs([plan.NOISY])[plan.NOISY.name][seed]
        kept = plan.filter_by_score(self.pairs["rules"], scorer)
        return plan.written({f"score-{scorer.name}": kept}, self.out / self.unseen)[f"score-{scorer.name}"]


def compare(claim: str, bench: Bench, against: Variant, variants: Sequence[Variant]) -> Iterator[Row]:
    """Yield one row for the variant that is compared against, and one for each other."""
    ranks = bench.ranks([against, *variants])
    base = ranks[against.name]
    yield Row(claim, against.name, estimate(base < 1), estimate(base < 10))
    for variant in variants:
        own = ranks[variant.name]
        difference = estimate((own < 10).astype(float) - (base < 10))
        yield Row(claim, variant.name, estimate(own < 1), estimate(own < 10), against.name, difference)


def transfer(bench: Bench) -> Iterator[Row]:
    """A model names the pictures of an artist that it has not seen, better than a linear model on pixels does."""
    claim, count = "transfer", len(bench.test)
    exact = [Estimate(k / count, k / count, k / count) for k in (1, 10)]
    yield Row(claim, f"chance, {count} names", *exact)
    clean = bench.pairs["clean"]
    pictures = np.stack([pixels_of(Emoji("", "", pair.png)) for pair in clean])
    scores = linear_scores(
        pictures,
        [pair.caption for pair in clean],
        np.stack([pixels_of(emoji) for emoji in bench.test]),
        [emoji.name for emoji in bench.test],
    )
    floor = (scores >= scores.diagonal()[:, None]).sum(1)[None] - 1
    yield Row(claim, "linear model on pixels", estimate(floor < 1), estimate(floor < 10))
    own = bench.ranks([plan.BASE])[plan.BASE.name]
    difference = estimate((own < 10).astype(float) - (floor < 10))
    yield Row(claim, "base", estimate(own < 1), estimate(own < 10), "linear model on pixels", difference)


def ensemble(bench: Bench) -> Iterator[Row]:
    """The mean of several prompts' embeddings names pictures better than one prompt does."""
    claim, runs = "ensemble", bench.runs([plan.BASE])[plan.BASE.name]
    found = [ranks_of(run, bench.test) for run in runs]
    each = np.stack([[ranks[template] for template in TEMPLATES] for ranks in found])  # (S, T, N)
    own = np.stack([ranks["ensemble"] for ranks in found])
    one, ten = (each < 1).mean(1), (each < 10).mean(1)
    yield Row(claim, "one prompt, mean of six", estimate(one), estimate(ten))
    yield Row(
        claim, "six prompts", estimate(own < 1), estimate(own < 10), "one prompt", estimate((own < 10) - ten)
    )  # fmt: skip


def batch(bench: Bench) -> Iterator[Row]:
    """A larger batch is better at equal steps; at equal samples it has fewer updates."""
    yield from compare("batch, equal steps", bench, plan.BASE, plan.EQUAL_STEPS)
    yield from compare("batch, equal samples", bench, plan.BASE, plan.EQUAL_SAMPLES)


def filtering(bench: Bench) -> Iterator[Row]:
    """Fewer, filtered pairs are better than all pairs at equal compute."""
    yield from compare("filter", bench, plan.NOISY, [*plan.FILTERED, plan.BASE])


def sigmoid(bench: Bench) -> Iterator[Row]:
    """The sigmoid loss is better than the softmax loss at small batches."""
    yield from compare("sigmoid, batch 32", bench, plan.EQUAL_SAMPLES[0], plan.SIGMOID[:1])
    yield from compare("sigmoid, batch 128", bench, plan.BASE, plan.SIGMOID[1:])


CLAIMS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "transfer": transfer, "ensemble": ensemble, "batch": batch, "filter": filtering, "sigmoid": sigmoid,
}  # fmt: skip


def table(rows: Sequence[Row], bench: Bench) -> str:
    """Return the rows as a table in Markdown."""
    head = f"Unseen artist: {bench.unseen}, {len(bench.test)} names; {bench.seeds} seeds. Per cent (95 % interval)."
    names = ("claim", "measured", "R@1", "R@10", "R@10 minus that of", "difference", "result")
    cells = [
        (
            row.claim,
            row.measured,
            row.r1.text(),
            row.r10.text(),
            row.against,
            "" if row.difference is None else row.difference.text(signed=True),
            row.shows,
        )
        for row in rows
    ]
    return f"{head}\n\n{markdown_table(names, cells)}"
