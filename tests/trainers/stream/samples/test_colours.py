"""Changes of colours: one draw for all frames, none if nothing is configured."""

from dataclasses import dataclass

import numpy as np

from corpusloom.trainers.stream.samples.colours import ColourChange, draw_change, recolour


@dataclass(frozen=True)
class Ranges:
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    greyscale: float = 0.0


def test_nothing_configured_draws_nothing() -> None:
    rng = np.random.default_rng(0)
    assert draw_change(Ranges(), rng) is None
    assert rng.random() == np.random.default_rng(0).random()


def test_factors_are_drawn_around_1_and_only_those_that_are_configured() -> None:
    found = [draw_change(Ranges(contrast=0.5), np.random.default_rng(seed)) for seed in range(40)]
    factors = [change.contrast for change in found if change is not None and change.contrast is not None]
    assert len(factors) == 40
    assert 0.5 <= min(factors) < 0.7
    assert 1.3 < max(factors) <= 1.5
    assert {(change.saturation, change.brightness) for change in found if change is not None} == {(None, None)}


def test_a_share_of_the_images_loses_its_colours() -> None:
    found = [draw_change(Ranges(greyscale=0.5), np.random.default_rng(seed)) for seed in range(60)]
    grey = [change.saturation == 0.0 for change in found if change is not None]
    assert 18 < sum(grey) < 42


def test_all_frames_change_as_each_alone_does() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 5, 5, 3), dtype=np.uint8)
    change = ColourChange(0.4, 1.3, 0.8)
    assert np.array_equal(recolour(frames, change), np.stack([recolour(frame, change) for frame in frames]))


def test_values_stay_within_a_byte() -> None:
    white = np.full((2, 2, 3), 250, np.uint8)
    assert (recolour(white, ColourChange(None, None, 1.5)) == 255).all()
