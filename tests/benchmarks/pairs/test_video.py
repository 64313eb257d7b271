"""The benchmark of video counts a frame per second and says what it did not measure."""

from pathlib import Path

import pytest

from benchmarks.pairs import video
from benchmarks.pairs.config import PairsConfig


def test_there_is_a_frame_per_second_and_decord_is_optional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "SECONDS", 3)
    ours, ratio = video.rows(PairsConfig(rounds=1))
    assert ours.value is not None
    assert ours.value > 0
    assert ours.note == "3 frames of 1 videos"
    assert (ratio.value, ratio.holds, ratio.note) == (None, None, "give --decord-python")
