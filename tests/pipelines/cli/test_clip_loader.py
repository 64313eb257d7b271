"""The command line reads a CLIP of any layout, and names what is missing."""

import sys
from pathlib import Path

import pytest

from corpusloom.pipelines.cli.clip_loader import load_clip
from corpusloom.schemas.errors import ConfigError, LoomError
from tests.trainers.clip.folders import hf_folder


def test_a_folder_of_transformers_is_read(tmp_path: Path) -> None:
    assert load_clip(hf_folder(tmp_path)[0]).identity.image_size == 16


def test_a_missing_folder_and_a_missing_extra_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LoomError, match="nowhere"):
        load_clip(str(tmp_path / "nowhere"))
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ConfigError, match=r"corpusloom\[train\]"):
        load_clip(str(tmp_path))
