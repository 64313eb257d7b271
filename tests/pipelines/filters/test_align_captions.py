"""ALIGN's text rules at their bounds."""

import pytest

from corpusloom.pipelines.filters.align_captions import (
    CaptionConfig,
    caption,
    caption_tokens,
    measure_caption,
    rarest_token_count,
    rules,
)
from corpusloom.schemas.verdicts import Kept, Rejected, decide


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
def test_three_to_twenty_words(count: int, verdict: object) -> None:
    assert caption(" ".join(f"word{number}" for number in range(count))) == verdict


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ({"text_images": 10}, None),
        ({"text_images": 11}, "text_of_many_images"),
        ({"image_texts": 1_000}, None),
        ({"image_texts": 1_001}, "image_of_many_texts"),
    ],
)
def test_counts_over_the_raw_set(counts: dict[str, int], reason: str | None) -> None:
    verdict = decide(measure_caption("a red round ball", **counts), rules(CaptionConfig()))
    assert (verdict.reason if isinstance(verdict, Rejected) else None) == reason


def test_tokens_are_unigrams_and_bigrams_each_once() -> None:
    assert caption_tokens("A red  red ball") == ["a", "a red", "ball", "red", "red ball", "red red"]


def test_the_rarest_token_decides() -> None:
    counts = {"a": 9, "ball": 5, "red": 4, "a red": 3, "red ball": 2}
    assert rarest_token_count("a red ball", counts) == 2
    scores = measure_caption("a red ball", token_counts=counts)
    assert decide(scores, rules(CaptionConfig(min_token_count=2))) == Kept()
    assert decide(scores, rules(CaptionConfig(min_token_count=3))) == Rejected("rare_token", 2, 3)
    assert rarest_token_count("a blue ball", counts) == 0


def test_what_was_not_counted_passes() -> None:
    assert decide(measure_caption("a red ball"), rules(CaptionConfig(min_token_count=100))) == Kept()
