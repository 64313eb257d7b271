"""Packages of icons: names, boxes and SVGs that are read, and pictures on white."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.claims_clip.emoji import SIZE, VARIANT, Emoji, _package, on_white, pixels_of, read_icons
from corpusloom.schemas.errors import InputError


def package(path: Path, icons: dict[str, object]) -> Path:
    data = json.dumps({"width": 36, "height": 36, "icons": icons}).encode()
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("package/icons.json")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return path


def test_names_become_words_and_former_names_are_left_out(tmp_path: Path) -> None:
    icons = {"red-heart": {"body": "<g/>"}, "old": {"body": "<g/>", "hidden": True}, "wide": {"body": "", "width": 72}}
    found = dict(read_icons(package(tmp_path / "p.tgz", icons)))
    assert list(found) == ["red heart", "wide"]
    assert 'viewBox="0 0 36 36"' in found["red heart"]
    assert 'viewBox="0 0 72 36"' in found["wide"]


@pytest.mark.parametrize(
    ("name", "variant"),
    [("waving hand medium skin tone", True), ("judge light", True), ("light bulb", False), ("medium size", False)],
)
def test_variants_of_the_skin_are_known_by_their_names(name: str, variant: bool) -> None:
    assert bool(VARIANT.search(name)) == variant


def test_a_picture_stands_in_the_middle_on_white() -> None:
    sink = io.BytesIO()
    Image.new("RGBA", (SIZE, SIZE // 2), (255, 0, 0, 255)).save(sink, "PNG")
    pixels = pixels_of(Emoji("", "", on_white(sink.getvalue())))
    assert pixels.shape == (SIZE, SIZE, 3)
    assert np.array_equal(pixels[0, 0], [255, 255, 255])
    assert np.array_equal(pixels[SIZE // 2, 0], [255, 0, 0])


def test_a_machine_without_npm_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="npm is not installed"):
        _package("noto", tmp_path / "cache")
