"""Our verdicts equal datatrove's on the same texts (python -m benchmarks.parity_datatrove --write makes the JSON)."""

import json
import math

import pytest

from benchmarks.near_duplicates import candidate_probability, jaccard
from benchmarks.parity_datatrove import EDITS, FILTERS, FIXTURE, PAIRS, our_verdicts, text_pairs, texts
from corpusloom.pipelines.dedup.minhash import MinHashConfig, shingles, text_band_keys

EXPECTED = json.loads(FIXTURE.read_text("utf-8"))
REASONS = {
    "gopher_short_doc": "too_few_words",
    "gopher_below_avg_threshold": "short_words",
    "gopher_above_avg_threshold": "long_words",
    "gopher_too_many_hashes": "too_many_hashes",
    "gopher_too_many_ellipsis": "too_many_ellipses",
    "gopher_too_many_bullets": "too_many_bullet_lines",
    "gopher_too_many_end_ellipsis": "too_many_ellipsis_lines",
    "gopher_below_alpha_threshold": "too_few_alphabetic_words",
    "gopher_enough_stop_words": "too_few_stop_words",
    "dup_line_frac": "duplicate_lines",
    "dup_line_char_frac": "duplicate_line_characters",
    "dup_para_frac": "duplicate_paragraphs",
    "dup_para_char_frac": "duplicate_paragraph_characters",
    "lorem_ipsum": "lorem_ipsum",
    "curly_bracket": "curly_brackets",
    "too_few_sentences": "too_few_sentences",
    "line_punct_ratio": "unpunctuated_lines",
    "short_line_ratio": "short_lines",
    "char_dup_ratio": "repeated_line_characters",
    "list_ratio": "too_many_new_lines",
    **{f"top_{size}_gram": f"top_{size}_gram" for size in (2, 3, 4)},
    **{f"duplicated_{size}_n_grams": f"duplicate_{size}_gram" for size in range(5, 11)},
}
DIFFERENT = {
    ("empty", "repetition"): None,  # nothing to measure; the quality rules reject it
    ("empty", "fineweb"): None,
    ("citations", "quality"): "too_few_alphabetic_words",  # spaCy keeps "word[1" as one token
    ("accents", "repetition"): "duplicate_7_gram",  # l'été is one token there, three here: another rule says it first
}


@pytest.mark.parametrize("row", EXPECTED["texts"], ids=lambda row: row["name"])
def test_verdicts_are_those_of_datatrove_except_the_listed_ones(row: dict[str, str | None]) -> None:
    ours = our_verdicts(row["text"] or "")
    for name in FILTERS:
        theirs = REASONS[row[name]] if row[name] in REASONS else row[name]  # type: ignore[index]
        assert ours[name] == DIFFERENT.get((row["name"], name), theirs), name  # type: ignore[arg-type]


def test_every_rule_of_datatrove_is_met_by_some_text() -> None:
    met = {row[name] for row in EXPECTED["texts"] for name in FILTERS}
    assert len(met & set(REASONS)) >= 18


def test_the_texts_are_those_of_the_script() -> None:
    assert [(row["name"], row["text"]) for row in EXPECTED["texts"]] == list(texts())


@pytest.mark.parametrize("edits", EDITS)
def test_minhash_candidates_follow_the_curve_where_datatroves_do(edits: int) -> None:
    config = MinHashConfig()
    expected, variance, found = 0.0, 0.0, 0
    for first, second in text_pairs(edits):
        probability = candidate_probability(jaccard(shingles(first), shingles(second)), config)
        expected += probability
        variance += probability * (1 - probability)
        found += bool(set(text_band_keys(first, config)) & set(text_band_keys(second, config)))
    theirs = EXPECTED["candidates"][str(edits)]
    assert abs(found - expected) <= 2 * math.sqrt(variance) + 0.5
    assert abs(theirs - expected) <= 3 * math.sqrt(variance) + 0.5
    if edits == EDITS[0]:
        assert found == theirs == PAIRS
