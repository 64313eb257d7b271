"""Zero-shot figures of a training run: their names, their values, and paths that are refused before it begins."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import ConfigError, LoomError
from corpusloom.trainers.clip.zero_shot.classify import classify
from corpusloom.trainers.clip.zero_shot.in_training import figure_names, open_sets, zero_shot_figures
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from tests.trainers.benchmarks import write_benchmark
from tests.trainers.clip.small import small_clip, small_tokenizer
from tests.trainers.datasets import coloured_pairs


@pytest.fixture
def sets(tmp_path: Path) -> dict[str, str]:
    samples = [(pair.image, "jpg", number % 4) for number, pair in enumerate(coloured_pairs(6))]
    write_benchmark(str(tmp_path / "tars"), samples, ["red", "green", "blue", "yellow"], ["{c}"])
    for number, pair in enumerate(coloured_pairs(4)):
        (tmp_path / "pictures" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / "ab"[number % 2] / f"{number}.jpg").write_bytes(pair.image)
    return {"tars": str(tmp_path / "tars"), "own": str(tmp_path / "pictures")}


def test_figures_are_those_of_the_evaluation_by_the_name_of_the_set(sets: dict[str, str]) -> None:
    found = dict(zero_shot_figures(small_clip(), small_tokenizer(), open_sets(sets)))
    for name, path in sets.items():
        expected = classify(small_clip(), small_tokenizer(), path, EvaluationSettings()).values
        assert {key: value for key, value in found.items() if f".{name}." in key} == {
            f"zero_shot.{name}.{figure}": value for figure, value in expected.items()
        }


def test_the_names_of_the_figures_are_known_before_a_run(sets: dict[str, str]) -> None:
    found = dict(zero_shot_figures(small_clip(), small_tokenizer(), open_sets(sets)))
    names = figure_names(None, open_sets(sets))
    assert {*names} == {*found}
    assert "image_retrieval_r10" in figure_names("val", {})
    assert figure_names(None, {}) == ()


def test_a_set_that_cannot_be_evaluated_is_refused(tmp_path: Path, sets: dict[str, str]) -> None:
    with pytest.raises(LoomError, match="nowhere"):
        open_sets({"x": str(tmp_path / "nowhere")})
    for path in (tmp_path / "pictures" / "a").iterdir():
        path.rename(tmp_path / "pictures" / path.name)
    with pytest.raises(ConfigError, match="no classes are given"):
        open_sets(sets)
