"""Normalisation of pixels."""

import torch

from tests.trainers.clip.test_model import small


def test_uint8_pixels_are_normalised_and_floats_are_not() -> None:
    model = small().eval()
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
    with torch.no_grad():
        expected = model.encode_image((pixels / 255 - mean) / std)
        assert torch.allclose(model.encode_image(pixels), expected, atol=1e-5)
