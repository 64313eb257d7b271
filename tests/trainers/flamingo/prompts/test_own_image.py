"""The share of captions that are likelier with their own image."""

import pytest
import torch

from corpusloom.trainers.flamingo.prompts.own_image import right_against_wrong


def test_the_share_of_right_images_has_a_confidence_interval() -> None:
    scores = torch.tensor([[1.0, 0.0]] * 9 + [[0.0, 1.0]])
    figures = dict(right_against_wrong(scores))
    assert figures["right_image_likelier"] == pytest.approx(0.9)
    assert figures["right_image_likelier_low"] < 0.9 < figures["right_image_likelier_high"]
