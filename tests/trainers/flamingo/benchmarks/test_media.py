"""Pixels of images, videos and folders of frames of benchmarks."""

from pathlib import Path

import numpy as np
import pytest

from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.flamingo.benchmarks.media import read_pixels
from corpusloom.trainers.flamingo.config import FlamingoDataConfig
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.stream.errors import SampleError
from tests.trainers.flamingo.benchmarks.folders import picture
from tests.trainers.flamingo.prompts.test_video_frames import write_video
from tests.trainers.flamingo.test_data import VOCABULARY

TRANSFORM = FlamingoTransform(VOCABULARY, FlamingoDataConfig(evaluation_frames=4), 16, augment=False)


def item(*media: object, start: float | None = None, end: float | None = None) -> Item:
    return Item(key="k", media=tuple(map(str, media)), prompt="", start=start, end=end)


def greys(pixels: np.ndarray) -> list[int]:
    """Return the number of each frame by the grey value of its centre."""
    return [round(float(frame[:, 8, 8].mean()) / 8) for frame in pixels]


def test_an_image_is_one_padded_frame_of_the_first_file_that_exists(tmp_path: Path) -> None:
    picture(tmp_path, "b.png", 200)
    pixels = read_pixels(item(tmp_path / "a.png", tmp_path / "b.png"), TRANSFORM)
    assert pixels.shape == (1, 3, 16, 16)
    assert pixels[0, :, 8, 8].tolist() == [200, 55, 90]
    assert pixels[0, :, 0, 0].tolist() == [122, 116, 104]


def test_frames_are_spread_over_the_seconds_of_a_record(tmp_path: Path) -> None:
    write_video(tmp_path / "v.avi", 30)
    assert greys(read_pixels(item(tmp_path / "v"), TRANSFORM)) == [0, 10, 19, 29]
    assert greys(read_pixels(item(tmp_path / "v", start=1.0, end=2.0), TRANSFORM)) == [10, 13, 16, 19]
    assert greys(read_pixels(item(tmp_path / "v", start=9.0, end=9.5), TRANSFORM)) == [29] * 4  # after its end


def test_a_folder_is_a_video_of_the_pictures_in_it(tmp_path: Path) -> None:
    for number in range(8):
        picture(tmp_path / "v", f"{number:03d}.png", number)
    assert read_pixels(item(tmp_path / "v"), TRANSFORM)[:, 0, 8, 8].tolist() == [0, 2, 5, 7]


def test_what_cannot_be_read_is_a_sample_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"no video")
    (tmp_path / "empty").mkdir()
    for name, reason in (("x", "missing_media"), ("v", "unreadable_video"), ("empty", "missing_media")):
        with pytest.raises(SampleError, match=name) as error:
            read_pixels(item(tmp_path / name), TRANSFORM)
        assert error.value.reason == reason
