"""Measures this process's peak memory. ru_maxrss does not: it survives an exec, so it may be the parent's."""

from pathlib import Path


def clear_peak() -> None:
    """Reset the peak to the memory in use now."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_megabytes() -> float:
    """Return the peak memory of this process since its start or `clear_peak`, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
