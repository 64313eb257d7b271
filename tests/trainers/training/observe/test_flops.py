"""Peak FLOPs by name of the device, and the share of them that a run reaches."""

import pytest
import torch

from corpusloom.trainers.training.observe.flops import known_peak, peak_flops, utilisation


@pytest.mark.parametrize(
    ("name", "precision", "expected"),
    [
        ("NVIDIA H200", "bf16", 989e12),
        ("NVIDIA H100 PCIe", "bf16", 756e12),
        ("NVIDIA H100 80GB HBM3", "bf16", 989e12),
        ("NVIDIA A100-SXM4-80GB", "fp32", 19.5e12),
        ("NVIDIA L40S", "bf16", 362e12),
        ("NVIDIA L4", "bf16", 121e12),
        ("Some Device", "bf16", None),
    ],
)
def test_a_known_device_has_a_peak(name: str, precision: str, expected: float | None) -> None:
    assert known_peak(name, precision) == expected


def test_a_cpu_has_no_peak_unless_one_is_given() -> None:
    assert peak_flops(torch.device("cpu"), "fp32") is None
    assert peak_flops(torch.device("cpu"), "fp32", given=0.5) == 0.5e12


def test_utilisation_is_flops_per_second_over_the_peak() -> None:
    assert utilisation(2e12, 4e12, 0.25) == 2.0
    assert utilisation(None, 4e12, 1.0) is None
    assert utilisation(1e12, None, 1.0) is None
