"""Frames are turned and mirrored as the display matrix says, resized and encoded."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from corpusloom.pipelines.stages.clips.decoding import Limits, decoded, open_video
from corpusloom.pipelines.stages.clips.pictures import display_matrix, picture, turned
from corpusloom.pipelines.store.images.resize import Resize
from corpusloom.schemas.images.decoding import decode_rgb
from tests.pipelines.stages.clips.videos import HEIGHT, ROTATIONS, WIDTH, regular, turn, write_video

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
ONE = 1 << 16


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((ONE, 0, 0, ONE), PIXELS),
        (ROTATIONS[90], np.rot90(PIXELS, -1)),
        (ROTATIONS[180], np.rot90(PIXELS, 2)),
        (ROTATIONS[270], np.rot90(PIXELS, 1)),
        ((-1, 0, 0, 1), PIXELS[:, ::-1]),
        ((1, 0, 0, -1), PIXELS[::-1]),
        ((0, 1, 1, 0), PIXELS.swapaxes(0, 1)),
        ((0, -1, -1, 0), np.rot90(PIXELS, 2).swapaxes(0, 1)),
        ((7, 2, -2, 7), PIXELS),
        ((0, 0, 0, 0), PIXELS),
    ],
)
def test_each_right_angle_and_mirror_is_applied(matrix: tuple[int, int, int, int], expected: np.ndarray) -> None:
    assert np.array_equal(turned(PIXELS, matrix), expected)


@pytest.mark.parametrize("degrees", ROTATIONS)
def test_a_turned_video_is_stored_as_it_is_displayed(degrees: int, tmp_path: Path) -> None:
    upright = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    upright[: HEIGHT // 2, : WIDTH // 2] = 255  # the corner at the upper left
    coded = np.rot90(upright, degrees // 90)  # the matrix turns clockwise, so it is stored anticlockwise
    path = write_video(tmp_path / "a.mp4", regular(1), images=[np.ascontiguousarray(coded)] * 4)
    turn(path, ROTATIONS[degrees])
    with open_video(str(path), Limits()) as (container, stream):
        frame = next(decoded(container, stream, Counter()))
        assert display_matrix(frame) != (1, 0, 0, 1)
        data, width, height = picture(frame, Resize(mode="no", size=1))
    assert (width, height) == (WIDTH, HEIGHT)
    found = decode_rgb(data)
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).mean() < 8


def test_frames_are_resized_as_images_are(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", regular(1))
    with open_video(str(path), Limits()) as (container, stream):
        frame = next(decoded(container, stream, Counter()))
        small, width, height = picture(frame, Resize(mode="keep_ratio", size=24, quality=50))
        assert (width, height) == (32, 24)
        assert small[:2] == b"\xff\xd8"
        assert picture(frame, Resize(mode="keep_ratio", size=24, quality=50))[0] == small
        assert len(picture(frame, Resize(mode="center_crop", size=24, format="png"))[0]) > 0
