"""Each image stands before the sentence that the best assignment gives it, and texts keep every word."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.stages.scores.placement import assign, place_images, sentences_of
from corpusloom.schemas.records import Block, ImageRef

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**32 - 1))


def image(name: str) -> Block:
    return Block(kind="image", image=ImageRef(url=name))


def text(words: str, kind: str = "paragraph") -> Block:
    return Block(kind=kind, text=words)


def shown(blocks: tuple[Block, ...]) -> list[str]:
    return [
        block.text if block.text is not None else f"<{block.image.url}>"
        for block in blocks
        if block.image or block.text
    ]


@given(SHAPES)
def test_no_other_assignment_has_a_larger_sum(shape: tuple[int, int, int]) -> None:
    images, sentences, seed = shape
    table = np.random.default_rng(seed).integers(-9, 9, (images, sentences)) / 10
    found = assign(table)
    if images > sentences:
        assert set(range(sentences)) <= {*found}
        return
    assert len({*found}) == images
    whole = np.rint(table * 10_000).astype(int)
    sums = [sum(whole[i, j] for i, j in enumerate(o)) for o in itertools.permutations(range(sentences), images)]
    assert sum(whole[i, j] for i, j in enumerate(found)) == max(sums)


def test_of_equal_sums_images_keep_their_order_and_stand_early() -> None:
    assert assign(np.zeros((3, 5))) == [0, 1, 2]
    assert assign(np.full((2, 2), 0.25)) == [0, 1]


def test_a_surplus_image_takes_the_sentence_of_its_largest_similarity() -> None:
    found = assign(np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.2]]))
    assert found == [0, 1, 0]


def test_an_image_stands_before_its_sentence_and_divides_its_paragraph() -> None:
    blocks = (
        image("a"),
        text("One is red. Two is green. Three.", "quote"),
        image("b"),
        image("c"),
        text("Four is blue."),
    )
    similarities = {(0, "Two is green."): 0.9, (2, "Four is blue."): 0.8, (2, "Two is green."): 0.7}
    found, order = place_images(blocks, [0, 2], similarities)
    assert shown(found) == ["One is red.", "<a>", "Two is green. Three.", "<c>", "Four is blue."]
    assert order == [(0, 0.9), (2, 0.8)]
    assert found[2].kind == "quote"


def test_images_move_across_each_other_and_two_can_share_a_sentence() -> None:
    blocks = (text("Red."), image("a"), image("b"), image("c"))
    found, order = place_images(blocks, [0, 1, 2], {(0, "Red."): 0.2, (1, "Red."): 0.5, (2, "Red."): 0.3})
    assert shown(found) == ["<a>", "<b>", "<c>", "Red."]
    assert order == [(0, 0.2), (1, 0.5), (2, 0.3)]
    swapped, order = place_images(
        (image("a"), image("b"), text("Red.\nGreen.")), [0, 1], {(0, "Green."): 0.9, (1, "Red."): 0.9}
    )
    assert shown(swapped) == ["<b>", "Red.", "<a>", "Green."]
    assert order == [(1, 0.9), (0, 0.9)]


@pytest.mark.parametrize("blocks", [(), (image("a"),), (text("Red."),)])
def test_a_page_without_images_or_sentences_stays(blocks: tuple[Block, ...]) -> None:
    found, order = place_images(blocks, [], {})
    assert found == blocks
    assert order == [(number, None) for number, block in enumerate([b for b in blocks if b.image])]


def test_sentences_have_the_place_of_their_first_character() -> None:
    found = sentences_of([image("a"), text(" One. Two!\n\nno end"), text("x")])
    assert [(item.block, item.start, item.text) for item in found] == [
        (1, 1, "One."), (1, 6, "Two!"), (1, 12, "no end"), (2, 0, "x"),
    ]  # fmt: skip
