"""ALIGN's text rules at their bounds."""

import pytest

from corpusloom.pipelines.filters.align_captions import CaptionConfig, measure_caption, rules
from corpusloom.schemas.verdicts import Above, Kept, Rejected, decide
from tests.pipelines.filters.published import CAPTIONS


@pytest.mark.parametrize(
    ("count", "verdict"),
    [
        (2, Rejected("too_few_caption_words", 2, 3)),
        (3, Kept()),
        (20, Kept()),
        (21, Rejected("too_many_caption_words", 21, 20)),
        (0, Rejected("too_few_caption_words", 0, 3)),
    ],
)
def test_captions_of_three_to_twenty_words_pass(count: int, verdict: object) -> None:
    scores = measure_caption(" ".join(f"word{number}" for number in range(count)))
    assert decide(scores, rules(CAPTIONS)) == verdict


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ({"text_images": 10}, None),
        ({"text_images": 11}, "text_of_many_images"),
        ({"image_texts": 1_000}, None),
        ({"image_texts": 1_001}, "image_of_many_texts"),
    ],
)
def test_counts_over_the_raw_set_are_bounded(counts: dict[str, int], reason: str | None) -> None:
    verdict = decide(measure_caption("a red round ball", **counts), rules(CAPTIONS))
    assert (verdict.reason if isinstance(verdict, Rejected) else None) == reason


def test_without_thresholds_every_text_passes() -> None:
    assert decide(measure_caption("", text_images=10**6, image_texts=10**6), rules(CaptionConfig())) == Kept()


def test_a_bound_may_be_strict() -> None:
    three, config = measure_caption("one two three"), CaptionConfig(min_words=Above(above=3))
    assert decide(three, rules(config)) == Rejected("too_few_caption_words", 3, 3)
    assert decide(measure_caption("one two three four"), rules(config)) == Kept()


def test_a_caption_without_counts_passes() -> None:
    assert measure_caption("A ball") == {"caption_words": 2.0, "caption_characters": 6.0}
