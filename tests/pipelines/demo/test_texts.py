"""Texts for the demo's language model: two per page, tags on every second page, the same at each run."""

from corpusloom.pipelines.demo.texts import REMARKED, texts


def test_each_page_gives_its_captions_or_remarks_and_one_caption() -> None:
    found = list(texts(6))
    assert len(found) == 12
    assert found == list(texts(6))
    for page in range(6):
        text, caption = found[2 * page], found[2 * page + 1]
        assert len(text.split("\n\n")) == 6
        shared = text.split("\n\n")[1].removeprefix("<image>") == caption.removeprefix("<image>")
        assert shared == (page % 8 not in REMARKED)
        assert text.count("<image>") == (5 if page % 2 else 0)
        assert caption.startswith("<image>")
        assert caption.count("<image>") == 1


def test_no_two_texts_are_equal() -> None:
    assert len(set(texts(20))) == 40
