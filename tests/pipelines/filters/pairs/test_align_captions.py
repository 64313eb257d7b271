"""ALIGN's text rules at their bounds."""

import pytest

from corpusloom.pipelines.filters.pairs.align_captions import (
    CaptionConfig,
    measure_caption,
    rules,
    text_key,
    token_keys,
    tokens,
)
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


def test_tokens_are_the_unigrams_and_bigrams_in_lower_case_with_repeats() -> None:
    assert tokens("The cat  the cat") == ("the", "cat", "the", "cat", "the cat", "cat the", "the cat")
    assert (tokens("cat"), tokens(" ")) == (("cat",), ())
    assert len(token_keys("a b")) == len(set(token_keys("a b"))) == 3
    assert token_keys("A b") == token_keys("a  B")


@pytest.mark.parametrize(
    ("config", "scores", "measured"),
    [
        (CaptionConfig(most_frequent_tokens=7), {"token_rank": 7.0, "token_count": 1.0}, None),
        (CaptionConfig(most_frequent_tokens=7), {"token_rank": 8.0, "token_count": 9.0}, 8.0),
        (CaptionConfig(min_token_occurrences=2), {"token_rank": 8.0, "token_count": 2.0}, None),
        (CaptionConfig(min_token_occurrences=2), {"token_rank": 1.0, "token_count": 1.0}, 1.0),
        (CaptionConfig(max_unknown_tokens=0), {"unknown_tokens": 0.0}, None),
        (CaptionConfig(max_unknown_tokens=0), {"unknown_tokens": 1.0}, 1.0),
    ],
)
def test_a_rare_token_rejects_a_text(config: CaptionConfig, scores: dict[str, float], measured: float | None) -> None:
    verdict = decide(scores, rules(config))
    assert (verdict.measured if isinstance(verdict, Rejected) else None) == measured
    assert measured is None or verdict == Rejected("rare_token", measured, {7: 7, 2: 2, 0: 0}[_bound(config)])


def _bound(config: CaptionConfig) -> int:
    """Return the only bound of a configuration."""
    bounds = (config.most_frequent_tokens, config.min_token_occurrences, config.max_unknown_tokens)
    (bound,) = (bound for bound in bounds if isinstance(bound, int))
    return bound


def test_tokens_outside_a_vocabulary_are_counted() -> None:
    known = frozenset(("a", "cat", "a cat"))
    assert measure_caption("A cat", known=known)["unknown_tokens"] == 0
    assert measure_caption("a cat a dog", known=known)["unknown_tokens"] == 3  # "cat a", "dog", "a dog"
    assert "unknown_tokens" not in measure_caption("a cat a dog")


@pytest.mark.parametrize(
    ("config", "counted"),
    [
        (CaptionConfig(), False),
        (CaptionConfig(max_unknown_tokens=0), False),
        (CaptionConfig(most_frequent_tokens=0), True),
        (CaptionConfig(min_token_occurrences=0), True),
    ],
)
def test_tokens_are_counted_only_for_a_rule_that_needs_it(config: CaptionConfig, counted: bool) -> None:
    assert config.counts_tokens is counted


def test_texts_that_differ_in_case_are_one_text_if_it_is_folded() -> None:
    assert text_key("Red Ball", fold_case=True) == text_key("red ball", fold_case=True)
    assert text_key("Red Ball", fold_case=False) != text_key("red ball", fold_case=False)
