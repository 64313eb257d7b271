"""The frames of a video that clips need, by the times of its packets, so that others need not be decoded.

Only frames to which no other frame refers are left out, so the frames that are decoded are the same.
"""

import itertools
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import av

from corpusloom.pipelines.stages.clips.decoding import Limits, open_video, raise_if_memory


@dataclass(frozen=True, slots=True)
class NeededFrames:
    """Times of frames in units of the stream."""

    first: int
    """Time of the first frame; if the decoder's first frame has another, all frames are decoded."""
    times: frozenset[int]


def needed_frames(path: str, limits: Limits, times: Iterable[int]) -> NeededFrames | None:
    """Return the frames that are shown at `times`, ascending and in ms, with the first and the last frame.

    `times` may be endless. None if a packet states no time.
    """
    found = array("q")
    with open_video(path, limits) as (container, stream):
        unit = Fraction(stream.time_base or Fraction(1, 1000)) * 1000
        try:
            for packet in container.demux(stream):
                if packet.pts is not None and not packet.is_discard:
                    found.append(packet.pts)
                elif packet.size and not packet.is_discard:
                    return None
        except av.FFmpegError as error:
            raise_if_memory(error)
    if not found:
        return None
    known = sorted(found)
    last = min((known[-1] - known[0]) * unit, Fraction(limits.seconds * 1000))
    shown = itertools.takewhile(lambda at: at <= last, times)
    wanted = {known[bisect_right(known, known[0] + int(at / unit)) - 1] for at in shown}
    return NeededFrames(known[0], frozenset(wanted | {known[0], known[-1]}))
