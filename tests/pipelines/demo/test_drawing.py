"""Pictures of the demo website: they depend on their seed alone, decode, and leave out the held-out combinations."""

import dataclasses

import numpy as np
import pytest

from corpusloom.pipelines.demo import drawing
from corpusloom.schemas.images.decoding import decode_rgb
from corpusloom.schemas.images.headers import read_header


def test_classes_are_all_combinations_but_the_unseen() -> None:
    classes = drawing.classes()
    assert len(classes) == len(set(classes)) == len(drawing.COLOURS) * len(drawing.SHAPES) - len(drawing.UNSEEN)
    assert not {f"{colour} {shape}" for colour, shape in drawing.UNSEEN} & set(classes)


def test_a_picture_is_that_of_its_class_and_seed() -> None:
    picture = drawing.make_picture("red star", 4)
    assert picture.label == "red star"
    assert picture == drawing.make_picture("red star", 4)
    assert picture != drawing.make_picture("red star", 5)
    assert np.array_equal(drawing.draw(picture), drawing.draw(picture))


def test_sizes_stay_in_their_bounds() -> None:
    for seed in range(300):
        picture = drawing.make_picture("red star", seed)
        assert 224 <= picture.width <= 360
        assert 224 <= picture.height <= 400
        assert picture.count in (1, 2, 3)


@pytest.mark.parametrize("shape", drawing.SHAPES)
def test_every_shape_is_drawn_in_its_colour(shape: str) -> None:
    picture = dataclasses.replace(
        drawing.make_picture(f"red {shape}", 1), count=1, size="large", background="white", pattern="striped"
    )
    rgb = drawing.draw(picture).astype(int)
    assert rgb.shape == (picture.height, picture.width, 3)
    red = (np.abs(rgb - drawing.COLOURS["red"]).max(axis=2) < 40).mean()
    assert 0.01 < red < 0.6


@pytest.mark.parametrize(("extension", "kind", "error"), [("jpg", "jpeg", 12), ("png", "png", 0), ("webp", "webp", 12)])
def test_an_encoded_picture_is_what_was_drawn(extension: str, kind: str, error: int) -> None:
    rgb = drawing.draw(drawing.make_picture("blue ring", 2))
    data = drawing.encode(rgb, extension)
    assert read_header(data).format == kind
    assert np.abs(decode_rgb(data).astype(int) - rgb).mean() <= error


def test_examination_pictures_share_no_seed_with_each_other() -> None:
    seen, unseen = drawing.evaluation_pictures(2), drawing.unseen_pictures(3)
    assert [picture.label for picture in seen] == [label for label in drawing.classes() for _ in range(2)]
    assert len(unseen) == 3 * len(drawing.UNSEEN)
    assert {(picture.colour, picture.shape) for picture in unseen} == set(drawing.UNSEEN)
    seeds = [picture.seed for picture in (*seen, *unseen)]
    assert len(set(seeds)) == len(seeds)
