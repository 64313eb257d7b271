"""Frames of video files."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from corpusloom.trainers.flamingo.prompts.video_frames import UnreadableVideoError, read_frames


def write_video(path: Path, frames: int) -> None:
    """Write ten frames per second; frame N has the grey value 8 N."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 16))
    for number in range(frames):
        writer.write(np.full((16, 32, 3), 8 * number, np.uint8))
    writer.release()


def test_frames_are_rgb_of_the_videos_size_and_spread_over_its_seconds(tmp_path: Path) -> None:
    write_video(tmp_path / "v.avi", 30)
    frames = read_frames(str(tmp_path / "v.avi"), 3, 1.0, 2.0)
    assert [frame.shape for frame in frames] == [(16, 32, 3)] * 3
    assert [round(float(frame.mean()) / 8) for frame in frames] == [10, 14, 19]


def test_a_video_that_cannot_be_read_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"no video")
    for path, reason in ((str(tmp_path / "v.mp4"), "unreadable_video"), ("s3://bucket/v.mp4", "remote_video")):
        with pytest.raises(UnreadableVideoError) as error:
            read_frames(path, 3)
        assert error.value.reason == reason
