"""Cues are grouped into clips that do not overlap; without cues clips have equal lengths."""

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.stages.clips.cuts import Cut, cuts_at_cues, cuts_at_steps, times_of
from corpusloom.pipelines.stages.clips.subtitles import Cue

LONGEST = 30_000


def cue(start: float, end: float, *lines: str) -> Cue:
    return Cue(round(start * 1000), round(end * 1000), lines or (f"at {start}",))


def test_as_many_cues_as_fit_make_a_clip() -> None:
    cues = [cue(1, 11, "a"), cue(12, 31, "b"), cue(31, 32, "c"), cue(70, 72, "d")]
    assert cuts_at_cues(cues, LONGEST) == [
        Cut(1_000, 31_000, "a b"), Cut(31_000, 32_000, "c"), Cut(70_000, 72_000, "d")
    ]  # fmt: skip


def test_a_cue_longer_than_a_clip_is_cut() -> None:
    assert cuts_at_cues([cue(2, 100, "long")], LONGEST) == [Cut(2_000, 32_000, "long")]


def test_clips_of_overlapping_cues_do_not_overlap() -> None:
    assert cuts_at_cues([cue(0, 29, "a"), cue(20, 40, "b")], LONGEST) == [
        Cut(0, 20_000, "a"), Cut(20_000, 40_000, "b")
    ]  # fmt: skip


def test_cues_that_begin_together_stay_together() -> None:
    assert cuts_at_cues([cue(0, 50, "b"), cue(0, 10, "a")], LONGEST) == [Cut(0, 30_000, "a b")]


def test_a_line_that_is_repeated_counts_once() -> None:
    cues = [cue(0, 1, "one"), cue(1, 2, "one", "two"), cue(2, 3, "two", "three"), cue(9, 10, "one")]
    (cut,) = cuts_at_cues(cues, LONGEST)
    assert cut.text == "one two three one"


def test_no_cues_make_no_clips() -> None:
    assert cuts_at_cues([], LONGEST) == []


@given(st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 90_000)), max_size=40))
def test_every_cue_is_in_one_clip_whatever_their_order(spans: list[tuple[int, int]]) -> None:
    cues = [Cue(start, start + length, (f"<{number}>",)) for number, (start, length) in enumerate(spans)]
    cuts = cuts_at_cues(cues, LONGEST)
    assert sorted(word for cut in cuts for word in cut.text.split()) == sorted(cue.lines[0] for cue in cues)
    assert all(0 < cut.end - cut.start <= LONGEST for cut in cuts)
    assert all(before.end <= after.start for before, after in pairwise(cuts))
    assert [(cut.start, cut.end) for cut in cuts_at_cues(cues[::-1], LONGEST)] == [(c.start, c.end) for c in cuts]


def test_steps_follow_each_other_without_end() -> None:
    assert list(islice(cuts_at_steps("text", LONGEST), 1_000, 1_002)) == [
        Cut(30_000_000, 30_030_000, "text"), Cut(30_030_000, 30_060_000, "text")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cut", "fps", "times"),
    [
        (Cut(500, 3_500, ""), 1.0, [500, 1_500, 2_500]),
        (Cut(500, 3_501, ""), 1.0, [500, 1_500, 2_500, 3_500]),
        (Cut(0, 1_000, ""), 3.0, [0, 333, 667]),
        (Cut(0, 1, ""), 1.0, [0]),
        (Cut(0, 30_000, ""), 0.1, [0, 10_000, 20_000]),
    ],
)
def test_frames_are_wanted_from_the_start_at_the_rate(cut: Cut, fps: float, times: list[int]) -> None:
    assert list(times_of(cut, fps)) == times
