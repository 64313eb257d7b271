"""Figures of written captions, kept once per run."""

from pathlib import Path

import numpy as np

from benchmarks.claims_common.figures import Values, kept
from benchmarks.claims_flamingo.measure import CONTROLS, TRIALS, judged
from corpusloom.trainers.flamingo.prompts.episodes import Example


def test_a_caption_is_judged_by_its_words_its_colour_and_its_shape() -> None:
    items = [
        Example(np.zeros((1, 3, 2, 2), np.uint8), f"a small red {shape} in the middle") for shape in ("star", "ring")
    ]
    found = dict(judged(", 0 shots", ["a small red star in the middle", "a large blue ring"], items))
    assert found["F1, 0 shots"].tolist() == [1.0, 4 / 11]
    assert found["colour, 0 shots"].tolist() == [1, 0]
    assert found["shape, 0 shots"].tolist() == [1, 1]


def test_figures_are_made_once_per_file(tmp_path: Path) -> None:
    calls = []

    def make() -> Values:
        calls.append(1)
        return {"F1": np.ones((2, 3))}

    first, second = (kept(tmp_path / "figures.npz", make) for _ in range(2))
    assert len(calls) == 1
    assert np.array_equal(first["F1"], second["F1"])


def test_controls_change_the_images_or_the_page_and_not_the_number_of_shots() -> None:
    for name, trial in CONTROLS.items():
        assert trial.shots == TRIALS[name.split(",")[0]].shots
        assert (trial.texts, trial.images) == ((0, 1) if "shuffled" in name else (1, 1))
