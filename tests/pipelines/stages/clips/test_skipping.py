"""The needed frames are those shown at the wanted times, the first and the last; without times there is no answer."""

from fractions import Fraction
from pathlib import Path

from corpusloom.pipelines.stages.clips.decoding import Limits
from corpusloom.pipelines.stages.clips.skipping import NeededFrames, needed_frames
from tests.pipelines.stages.clips.videos import regular, write_header, write_video


def test_the_frames_at_the_wanted_times_are_needed_and_the_ends(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", [Fraction(n, 1000) for n in (0, 400, 1000, 1001, 2999, 5000, 6000)])
    found = needed_frames(str(path), Limits(), iter([0, 1000, 2000, 3000, 9000]))
    assert found == NeededFrames(0, frozenset({0, 1000, 1001, 2999, 6000}))


def test_endless_times_end_with_the_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", regular(3, 2))
    found = needed_frames(str(path), Limits(), (1000 * second for second in range(10**9)))
    assert found == NeededFrames(0, frozenset({0, 1000, 2000, 2500}))


def test_a_video_without_packets_needs_none(tmp_path: Path) -> None:
    assert needed_frames(str(write_header(tmp_path / "a.avi")), Limits(), iter([0])) is None
