"""Word F1: shared words as multisets, per caption, and by chance with the next caption's reference."""

import pytest

from corpusloom.trainers.evaluation.captions.word_f1 import word_f1, word_f1_by_chance, word_f1s


@pytest.mark.parametrize(
    ("written", "reference", "wanted"), [("", "a b", 0.0), ("a b", "A b", 1.0), ("a a a", "a b", 0.4), ("", "", 0.0)]
)
def test_word_f1_counts_shared_words_as_multisets(written: str, reference: str, wanted: float) -> None:
    assert word_f1(written, reference) == pytest.approx(wanted)


def test_chance_is_the_f1_with_the_next_reference() -> None:
    written, references = ["a b", "c d"], ["a b", "c x"]
    assert word_f1s(written, references).tolist() == [1.0, 0.5]
    assert word_f1_by_chance(["a b", "a b"], references) == 0.5
