"""The most memory that this process has held. ru_maxrss does not say: it outlives an exec, so a parent's counts."""

from pathlib import Path


def clear_peak() -> None:
    """Begin anew: from here on the peak is that of what follows."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_megabytes() -> float:
    """Return the most memory this process has held since its start or `clear_peak`, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
