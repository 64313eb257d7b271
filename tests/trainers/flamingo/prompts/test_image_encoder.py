"""Images of prompts are encoded once, and the latest ones are kept between calls."""

from unittest import mock

import numpy as np
import torch

from corpusloom.trainers.flamingo.model import Flamingo
from corpusloom.trainers.flamingo.prompts.image_encoder import ImageEncoder
from tests.trainers.flamingo.prompts.test_sequence import BLUE, CLIP, RED


def test_an_image_in_several_prompts_is_encoded_once_and_clips_apart(model: Flamingo) -> None:
    with mock.patch.object(model, "encode_images", wraps=model.encode_images) as encode:
        found = ImageEncoder(model)([[RED, "a", BLUE], [BLUE, RED, RED], [CLIP], ["a text"]])
    assert [call.args[0].shape[:3] for call in encode.call_args_list] == [(2, 1, 1), (1, 1, 3)]
    assert torch.equal(found[0][[1, 0, 0]], found[1])
    assert [len(visual) for visual in found] == [2, 3, 1, 0]
    assert not torch.equal(found[2][0], found[0][0])


def test_the_latest_images_are_kept_between_calls_and_older_ones_are_not(model: Flamingo) -> None:
    encoder = ImageEncoder(model, kept=2)
    with mock.patch.object(model, "encode_images", wraps=model.encode_images) as encode:
        first = encoder([[RED, BLUE]])
        assert torch.equal(encoder([[BLUE, RED]])[0], first[0].flip(0))
        assert encode.call_count == 1
        encoder([[CLIP, RED]])
        assert encode.call_count == 2
        encoder([[BLUE]])
        assert encode.call_count == 3


def test_an_array_that_is_gone_is_not_taken_for_another_one(model: Flamingo) -> None:
    encoder = ImageEncoder(model, kept=1)
    found = [encoder([[np.full((1, 3, 8, 8), colour, np.uint8)]])[0] for colour in (10, 200, 90, 250)]
    assert len({tuple(visual.flatten().tolist()) for visual in found}) == 4
