"""Model FLOPs utilisation: FLOPs per second as a share of the device's peak (arXiv 2204.02311, appendix B)."""

import torch

PEAKS: dict[str, dict[str, float]] = {
    "B200": {"bf16": 2250, "fp32": 75},
    "GH200": {"bf16": 989, "fp32": 67},
    "H200": {"bf16": 989, "fp32": 67},
    "H100 PCIe": {"bf16": 756, "fp32": 51},
    "H100": {"bf16": 989, "fp32": 67},
    "A100": {"bf16": 312, "fp32": 19.5},
    "L40S": {"bf16": 362, "fp32": 91.6},
    "L4": {"bf16": 121, "fp32": 30.3},
    "A10G": {"bf16": 70, "fp32": 35},
    "A10": {"bf16": 125, "fp32": 31.2},
    "RTX 4090": {"bf16": 165, "fp32": 82.6},
    "RTX 3090": {"bf16": 71, "fp32": 35.6},
}
"""Part of a device's name -> peak TFLOP per second of dense products, from its data sheet; the first that fits counts.

fp32 is without tensor cores: torch does not use TF32 unless it is asked to.
"""


def peak_flops(device: torch.device, precision: str, given: float | None = None) -> float | None:
    """Return a device's peak FLOP per second; `given` is in TFLOP per second. None if it is not known."""
    if given is not None:
        return given * 1e12
    if device.type != "cuda":
        return None
    return known_peak(torch.cuda.get_device_name(device), precision)


def known_peak(name: str, precision: str) -> float | None:
    """Return the peak FLOP per second of a device by its name; None if it is not known."""
    found = next((peaks[precision] for part, peaks in PEAKS.items() if part in name), None)
    return None if found is None else found * 1e12


def utilisation(flops_per_step: float | None, peak: float | None, seconds_per_step: float) -> float | None:
    """Return the share of the peak that a rank reaches; None without FLOPs or peak."""
    if not flops_per_step or not peak or seconds_per_step <= 0:
        return None
    return flops_per_step / seconds_per_step / peak
