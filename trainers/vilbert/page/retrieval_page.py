"""The HTML page of a ViLBERT's retrieval: figures, samples with regions and attention, right and wrong retrievals.

One self-contained page without scripts or external resources, of a bounded number of samples.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from corpusloom.schemas.images.thumbnails import thumbnail
from corpusloom.trainers.evaluation.pages.html import render_page
from corpusloom.trainers.evaluation.pages.picture_page import percent
from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.vilbert.page.rankings import CaptionRanking, choose_rankings, spread
from corpusloom.trainers.vilbert.page.sample_card import card_of
from corpusloom.trainers.vilbert.page.samples import PageModel, ReadSamples, explain

SAMPLES = 8
"""Samples that are shown with regions and attention, at most; they are spread evenly over all captions."""
RANKINGS = 8
"""Right and wrong retrievals that are shown, at most, of each kind."""
THUMBNAIL_SIDE = 128


@dataclass(frozen=True, slots=True)
class RetrievedPool:
    """The captions and images of a retrieval. Shapes: M captions, N images."""

    captions: Sequence[str]
    image_of: Tensor
    """Number of each caption's image, (M,)."""
    scores: Tensor
    """Log odds that each pair is aligned, (M, N)."""
    read: ReadSamples


def render_retrieval(
    given: PageModel,
    pool: RetrievedPool,
    figures: Mapping[str, float],
    title: str,
    checkpoint: str,
) -> str:
    """Return the page's HTML; all texts are escaped."""
    rankings = choose_rankings(pool.scores, pool.image_of, RANKINGS)
    chosen = spread(list(range(len(pool.captions))), SAMPLES)
    images = {int(pool.image_of[caption]) for caption in chosen}
    images |= {number for kind in rankings for ranking in kind for number in (ranking.own, *dict(ranking.best))}
    samples = pool.read(images)
    explained = [explain(given, samples[int(pool.image_of[caption])], pool.captions[caption]) for caption in chosen]
    thumbnails = {number: thumbnail(sample.image, THUMBNAIL_SIDE) or "" for number, sample in samples.items()}
    layers = len(explained[0].attention.to_regions)
    return render_page(
        "region_page.html.j2",
        title=title,
        checkpoint=checkpoint,
        streams=given.model.config.streams,
        tiles=list(_tiles(figures, pool)),
        layers=range(layers + 1),
        places=range(max(len(item.words) for item in explained)),
        numbers=range(1 + max(item.regions for item in explained)),
        samples=[card_of(item, given.token_name, given.class_name) for item in explained],
        captions=len(pool.captions),
        images=pool.scores.shape[1],
        rankings=[
            {"kind": kind, "cards": [_ranking(ranking, pool, samples, thumbnails) for ranking in found]}
            for kind, found in zip(("right", "wrong"), rankings, strict=True)
        ],
    )


def _tiles(figures: Mapping[str, float], pool: RetrievedPool) -> Iterator[dict[str, str]]:
    yield {"label": "captions", "value": f"{len(pool.captions):,}", "interval": "", "chance": ""}
    yield {"label": "images", "value": f"{pool.scores.shape[1]:,}", "interval": "", "chance": ""}
    for name, value in figures.items():
        if f"{name}_low" in figures:
            yield {
                "label": re.sub(r"\br(\d+)$", r"R@\1", name.replace("_", " ")),
                "value": percent(value),
                "interval": f"{percent(figures[f'{name}_low'])} to {percent(figures[f'{name}_high'])}",
                "chance": percent(figures[f"{name}_chance"]),
            }


def _ranking(
    ranking: CaptionRanking, pool: RetrievedPool, samples: Mapping[int, RegionsSample], thumbnails: Mapping[int, str]
) -> dict[str, Any]:
    hits = [(place + 1, *hit) for place, hit in enumerate(ranking.best)]
    if ranking.rank > len(hits):
        hits.append((ranking.rank, ranking.own, ranking.share))
    return {
        "caption": pool.captions[ranking.caption],
        "rank": ranking.rank,
        "hits": [
            {
                "rank": rank,
                "percent": percent(share),
                "own": image == ranking.own,
                "thumbnail": thumbnails[image],
                "caption": samples[image].text,
            }
            for rank, image, share in hits
        ],
    }
