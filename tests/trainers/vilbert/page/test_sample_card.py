"""The values of a card: weights as custom properties, boxes from large to small, names of predictions."""

from dataclasses import replace

import numpy as np
import torch

from corpusloom.trainers.vilbert.page.sample_card import card_of, properties, relative, with_mean
from corpusloom.trainers.vilbert.page.samples import explain
from tests.trainers.vilbert.page.pools import page_model
from tests.trainers.vilbert.region_pairs import region_sample


def test_weights_are_placed_between_the_smallest_and_the_largest_of_their_query() -> None:
    weights = torch.tensor([[0.5, 0.2, 0.3], [0.25, 0.25, 0.25]])
    assert relative(weights).tolist() == [[100, 0, 33], [0, 0, 0]]


def test_the_mean_over_layers_stands_before_them() -> None:
    layers = torch.tensor([[[0.2, 0.8]], [[0.6, 0.4]]])
    torch.testing.assert_close(with_mean(layers), torch.tensor([[[0.4, 0.6]], [[0.2, 0.8]], [[0.6, 0.4]]]))
    assert with_mean(layers[:0]).tolist() == [[[0.0, 0.0]]]


def test_a_property_has_the_number_of_its_query_and_layer() -> None:
    assert properties("w", torch.tensor([[100, 0, 7], [3, 0, 0]])) == "--w0-0:100;--w2-0:7;--w0-1:3"


def test_boxes_are_drawn_from_the_largest_to_the_smallest_and_img_is_the_image() -> None:
    given, sample = page_model(), region_sample(0, boxes=5)
    card = card_of(explain(given, sample, "a red disc"), given.token_name, given.class_name)
    areas = [box["width"] * box["height"] for box in card["boxes"]]
    assert areas == sorted(areas, reverse=True)
    assert card["boxes"][0] == {"number": 0, "x": 0.0, "y": 0.0, "width": 100.0, "height": 80.0}
    assert [word["text"] for word in card["words"] if word["special"]] == ["[CLS]", "[SEP]"]
    assert card["regions"][1]["detected"].startswith(f"class {sample.class_probs[0].argmax()}, ")
    assert card["dense"] == 1
    assert card["masked_words"][1]["title"] == card["masked_words"][1]["own"] == "red"
    assert card["masked_regions"][4]["title"] == "region 5"
    assert len(card["weights"]) == 5


def test_regions_without_class_probabilities_have_no_class_and_none_is_predicted() -> None:
    given, sample = page_model(), region_sample(0, boxes=5)
    sample = replace(sample, class_probs=np.zeros((5, 0), np.float16))
    card = card_of(explain(given, sample, "a red disc"), given.token_name, given.class_name)
    assert [region["detected"] for region in card["regions"]] == [""] * 6
    assert card["masked_regions"] == []
    assert len(card["boxes"]) == 6


def test_many_boxes_are_drawn_fainter() -> None:
    given = page_model(regions=100)
    card = card_of(explain(given, region_sample(0, boxes=100), "a red disc"), given.token_name, given.class_name)
    assert card["dense"] == 0.2
