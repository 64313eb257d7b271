"""Measures torch's allocations on the CPU: the allocator's own events, not the process's resident memory."""

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile


def peak_above_start(work: Callable[[], object]) -> int:
    """Return the largest number of bytes that are allocated while `work` runs, above what is there when it begins."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    found = recorded.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in found if event.name() == "[memory]")
    held = peak = 0
    for _, change in changes:
        held += change
        peak = max(peak, held)
    return peak
