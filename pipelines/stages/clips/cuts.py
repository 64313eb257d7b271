"""Cuts of a video into clips: at its subtitles' cues, or at equal steps. All times are whole milliseconds."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from corpusloom.pipelines.stages.clips.subtitles import Cue


@dataclass(frozen=True, slots=True)
class Cut:
    """One clip before its frames are known."""

    start: int
    """Milliseconds from the first frame of the video."""
    end: int
    """Milliseconds; the clip ends before it, or with the video."""
    text: str


def cuts_at_cues(cues: Sequence[Cue], longest: int) -> list[Cut]:
    """Return the clips of cues in order of their starts, as many cues in each as fit into `longest` ms.

    Clips do not overlap: one ends where the next begins at the latest. A cue that is longer than a clip is cut, and
    cues that begin together stay together. A line that repeats the one before it counts once, since automatic captions
    repeat each line while the next one appears.
    """
    groups: list[list[Cue]] = []
    for cue in sorted(cues, key=lambda cue: (cue.start, cue.end)):
        first = groups[-1][0].start if groups else None
        if first is not None and (cue.start == first or cue.end - first <= longest):
            groups[-1].append(cue)
        else:
            groups.append([cue])
    starts = [group[0].start for group in groups]
    ends = [min(max(cue.end for cue in group), group[0].start + longest) for group in groups]
    return [
        Cut(start, min(end, following), text)
        for start, end, following, text in zip(starts, ends, [*starts[1:], ends[-1]], map(_text, groups), strict=True)
    ] if groups else []  # fmt: skip


def _text(cues: Iterable[Cue]) -> str:
    lines: list[str] = []
    for cue in cues:
        lines += [line for line in cue.lines if line not in lines[-2:]]
    return " ".join(lines)


def cuts_at_steps(text: str, step: int) -> Iterator[Cut]:
    """Yield clips of `step` ms without end, each with the same text."""
    return (Cut(start, start + step, text) for start in count(0, step))


def times_of(cut: Cut, fps: float) -> Iterator[int]:
    """Yield the times of a clip's frames, in ms: its start and each 1 / fps seconds after it, before its end."""
    for number in count():
        at = cut.start + round(number * 1000 / fps)
        if at >= cut.end:
            return
        yield at
