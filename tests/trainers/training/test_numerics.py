"""Losses are computed in float32 or better, also under autocast."""

import torch

from corpusloom.trainers.training.numerics import at_least_float32, full_precision


def test_lower_precision_is_raised_and_higher_kept() -> None:
    for given, expected in ((torch.bfloat16, torch.float32), (torch.float32,) * 2, (torch.float64,) * 2):
        assert at_least_float32(torch.zeros(1, dtype=given)).dtype == expected


def test_a_product_inside_keeps_float32_under_autocast() -> None:
    x = torch.randn(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
        with full_precision(x.device):
            assert (x @ x).dtype == torch.float32
