"""Texts in tensors of finished batches."""

from corpusloom.trainers.evaluation.written_texts import WIDTH, WrittenText, pack, unpack


def test_texts_come_back_from_their_rows_and_long_ones_are_cut_between_letters() -> None:
    texts = ["a red star", "", "ein Stern, größer", "é" * WIDTH]
    assert unpack(pack(texts)) == [*texts[:3], "é" * (WIDTH // 2)]
    assert pack([]).shape == (0, WIDTH)


def test_a_written_text_is_listed_with_its_sample_and_its_shots() -> None:
    found = WrittenText(key="k", shots=4, seed=0, text="a star", reference="a red star")
    assert found.to_plain() == {"key": "k", "shots": 4, "seed": 0, "text": "a star", "reference": "a red star"}
