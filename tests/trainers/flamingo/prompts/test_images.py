"""Images and videos of prompts."""

from pathlib import Path

import numpy as np
import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.flamingo.config import FlamingoDataConfig
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.flamingo.prompts.images import decode_image, read_image
from tests.trainers.flamingo.prompts.test_video_frames import write_video
from tests.trainers.flamingo.test_data import VOCABULARY, jpeg

TRANSFORM = FlamingoTransform(VOCABULARY, FlamingoDataConfig(), 16, augment=False)


def test_an_image_file_is_padded_to_a_square_of_the_models_size(tmp_path: Path) -> None:
    (tmp_path / "grey.png").write_bytes(jpeg(200, height=20, width=40))
    found = read_image(str(tmp_path / "grey.png"), TRANSFORM)
    assert found.shape == (1, 3, 16, 16)
    assert found.dtype == np.uint8
    assert found[0, :, 8, 8].tolist() == [200] * 3
    assert found[0, :, 0, 0].tolist() == list(FlamingoDataConfig().fill)


def test_an_image_that_is_absent_or_does_not_decode_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(jpeg(200)[:60])
    for name, message in (("broken.png", "cannot be decoded"), ("absent.png", "no such file")):
        with pytest.raises(InputError, match=rf"{name}: .*{message}"):
            read_image(str(tmp_path / name), TRANSFORM)


def test_a_folder_of_frames_is_a_clip_in_the_order_of_their_names(tmp_path: Path) -> None:
    config = FlamingoDataConfig(evaluation_frames=3)
    for number, name in enumerate(("b.png", "a.png", "d.png", "c.jpeg", "e.png")):
        (tmp_path / name).write_bytes(jpeg(50 * number))
    (tmp_path / "notes.txt").write_text("no frame")
    found = read_image(str(tmp_path), FlamingoTransform(VOCABULARY, config, 16, augment=False))
    assert found.shape == (3, 3, 16, 16)
    assert found[:, 0, 8, 8].tolist() == [50, 150, 200]
    (tmp_path / "d.png").write_bytes(b"no frame")
    with pytest.raises(InputError, match=r"d\.png: the image cannot be decoded"):
        read_image(str(tmp_path), TRANSFORM)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no image in this folder"):
        read_image(str(tmp_path / "empty"), TRANSFORM)


def test_a_video_file_is_a_clip_of_frames_spread_over_it(tmp_path: Path) -> None:
    config = FlamingoDataConfig(evaluation_frames=3)
    write_video(tmp_path / "v.AVI", 21)
    found = read_image(str(tmp_path / "v.AVI"), FlamingoTransform(VOCABULARY, config, 16, augment=False))
    assert found.shape == (3, 3, 16, 16)
    assert (found[:, 0, 8, 8] / 8).round().tolist() == [0, 10, 20]
    assert found[0, :, 0, 0].tolist() == list(FlamingoDataConfig().fill)


def test_another_file_is_refused_with_the_kinds_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"v\.mp4: the video cannot be decoded \(give a local file"):
        read_image(str(tmp_path / "v.mp4"), TRANSFORM)
    (tmp_path / "v.txt").write_bytes(b"text")
    with pytest.raises(InputError, match=r"v\.txt: .*give an image, such as \.jpg, .*a video \(\.mp4, .* or a folder"):
        read_image(str(tmp_path / "v.txt"), TRANSFORM)
    with pytest.raises(InputError, match=r"give an image, such as \.jpg, \.png, [a-z., ]+\)$"):
        decode_image(b"text", "v.txt", TRANSFORM)
