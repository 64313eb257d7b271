"""Templates by name and by file."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip.zero_shot.templates import PHOTO, load_templates


def test_bundled_templates_are_found_by_name() -> None:
    assert load_templates("none") == ("{c}",)
    assert load_templates("photo") == PHOTO
    assert len(set(PHOTO)) == 8
    assert all("{c}" in text for text in PHOTO)


def test_a_file_has_one_template_per_line(tmp_path: Path) -> None:
    path = tmp_path / "templates.txt"
    path.write_text("a photo of {c}.\n\n{c} in {braces}\n")
    assert load_templates(str(path)) == ("a photo of {c}.", "{c} in {braces}")


def test_a_template_without_a_class_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "templates.txt"
    path.write_text("a photo of {c}\n\na photo of {}\n")
    with pytest.raises(ConfigError, match=r"templates\.txt, line 3: .* names no class \(put {c} where"):
        load_templates(str(path))


def test_a_file_without_a_template_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "templates.txt"
    path.write_text("\n \n")
    with pytest.raises(ConfigError, match="no template"):
        load_templates(str(path))
    with pytest.raises(InputError, match="--templates takes none, photo, or a file"):
        load_templates("fotos")
