"""Pages of the world: captions of one form, equally frequent classes, and an exam apart from the training."""

import itertools
from collections import Counter

from benchmarks.claims_flamingo import plan
from benchmarks.claims_flamingo.world import FIRST_EXAM, FIRST_TRAINING, PICTURES, make_pages
from corpusloom.pipelines.demo import drawing, grammar
from corpusloom.pipelines.demo.texts import FIRST_SEED, PAGES


def test_the_captions_of_a_page_have_the_form_of_its_house_style() -> None:
    for number, page in enumerate(make_pages(100, 2, pictures=3)):
        style = grammar.house_style(number)
        forms = {grammar.caption(drawing.make_picture(label, 100 + 3 * number + at), style)
                 for at in range(3) for label in drawing.classes()}  # fmt: skip
        assert {shown.caption for shown in page.shown} <= forms


def test_equal_numbers_give_equal_pages_and_classes_come_equally_often() -> None:
    pages = list(make_pages(0, 12, pictures=10))
    assert list(itertools.islice(make_pages(0, 12, pictures=10), 2)) == pages[:2]
    labels = Counter(grammar.label_of(shown.caption) for page in pages for shown in page.shown)
    assert max(labels.values()) <= 2 * -(-120 // len(drawing.classes()))
    assert len({page.url for page in pages}) == 12


def test_no_picture_of_the_exam_is_in_the_training_or_in_the_texts_of_the_language_model() -> None:
    pictures = plan.FULL.pages * PICTURES
    assert FIRST_SEED + 10 * PAGES < FIRST_TRAINING
    assert FIRST_TRAINING + pictures < FIRST_EXAM
