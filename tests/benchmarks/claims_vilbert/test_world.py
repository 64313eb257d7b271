"""Scenes depend on their numbers alone, their captions are true, and the regions are those of the objects."""

import re

import cv2
import numpy as np

from benchmarks.claims_vilbert.world import GROUNDS, HEIGHT, SHAPES, WIDTH, Thing, make_scene, relation

SCENES = [make_scene(number) for number in range(40)]


def test_equal_numbers_give_equal_scenes() -> None:
    again = make_scene(3)
    assert again == SCENES[3]
    assert again.caption == SCENES[3].caption
    np.testing.assert_array_equal(again.regions["features"], SCENES[3].regions["features"])
    assert again.picture() == SCENES[3].picture()


def test_no_two_objects_have_one_name_or_overlap_and_one_shape_occurs_once() -> None:
    for scene in SCENES:
        names, shapes = [thing.name for thing in scene.things], [thing.shape for thing in scene.things]
        assert len(set(names)) == len(names)
        assert 1 in map(shapes.count, shapes)
        boxes = np.stack([thing.box for thing in scene.things])
        assert (boxes >= 0).all()
        assert (boxes <= [WIDTH, HEIGHT] * 2).all()
        for at, box in enumerate(boxes):
            others = np.delete(boxes, at, 0)
            apart = (others[:, :2] >= box[2:]).any(1) | (others[:, 2:] <= box[:2]).any(1)
            assert apart.all()


def test_a_caption_says_how_two_objects_stand() -> None:
    pattern = re.compile(r"a (\w+) (\w+ \w+) (left of|right of|above|below) a (\w+) (\w+ \w+)")
    for scene in SCENES:
        found = pattern.match(scene.caption)
        assert found is not None, scene.caption
        first, second = (next(thing for thing in scene.things if thing.name == found[group]) for group in (2, 5))
        assert (first.size, second.size) == (found[1], found[4])
        assert {"left of": first.x < second.x, "right of": first.x > second.x, "above": first.y < second.y,
                "below": first.y > second.y}[found[3]]  # fmt: skip


def test_the_longer_distance_says_how_one_object_stands_to_another() -> None:
    middle = Thing("red", "star", "small", 200, 150)
    assert relation(Thing("red", "ring", "small", 100, 100), middle) == "left of"
    assert relation(Thing("red", "ring", "small", 240, 100), middle) == "above"
    assert relation(Thing("red", "ring", "small", 240, 280), middle) == "below"


def test_each_object_has_a_region_of_its_shape_and_the_others_are_background() -> None:
    right = total = 0
    for scene in SCENES:
        regions = scene.regions
        assert len(regions["boxes"]) == len(scene.things) + GROUNDS
        for thing in scene.things:
            at = int(np.abs(regions["boxes"] - thing.box).sum(1).argmin())
            assert np.abs(regions["boxes"][at] - thing.box).max() < 12
            right += int(regions["class_probs"][at].argmax() == SHAPES.index(thing.shape))
            total += 1
    assert right > 0.9 * total


def test_features_of_equal_names_are_closer_than_others() -> None:
    rows = [
        (thing.name, scene.regions["features"][np.abs(scene.regions["boxes"] - thing.box).sum(1).argmin()])
        for scene in SCENES
        for thing in scene.things
    ]
    names, features = [name for name, _ in rows], np.stack([feature for _, feature in rows]).astype(float)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    alike = features @ features.T
    same = np.equal.outer(names, names) & ~np.eye(len(names), dtype=bool)
    assert alike[same].mean() > alike[~same & ~np.eye(len(names), dtype=bool)].mean() + 0.3


def test_a_picture_shows_the_colours() -> None:
    scene = SCENES[0]
    picture = cv2.imdecode(np.frombuffer(scene.picture(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert picture.shape == (HEIGHT, WIDTH, 3)
    ground = picture[0, 0].astype(int)
    for thing in scene.things:
        if thing.shape != "ring":
            assert np.abs(picture[int(thing.y), int(thing.x)].astype(int) - ground).max() > 40
