"""Datasets of emoji: captions, planted noise, the rule on shared texts, and tars that stream."""

from pathlib import Path

import numpy as np

from benchmarks.claims_clip.datasets import BOILERPLATE, TEMPLATES, by_rules, make_pairs, plant_noise, write_dataset
from benchmarks.claims_clip.emoji import Emoji
from corpusloom.trainers.stream.dataset import StreamingDataset
from tests.trainers.stream.datasets import make_image

EMOJI = [Emoji("noto", f"thing {number}", b"png") for number in range(200)]


def test_a_caption_is_one_of_the_templates_with_the_name() -> None:
    pairs = make_pairs(EMOJI)
    assert len({pair.key for pair in pairs}) == 200
    used = {template for template in TEMPLATES for pair in pairs if pair.caption.startswith(template.split("{")[0])}
    assert used == set(TEMPLATES)
    assert all(f"thing {number}" in pair.caption for number, pair in enumerate(pairs))


def test_noise_is_planted_in_its_share_and_shared_texts_are_filtered() -> None:
    pairs = make_pairs(EMOJI)
    noisy = plant_noise(pairs, 0.4, np.random.default_rng(0))
    changed = [(before, after) for before, after in zip(pairs, noisy, strict=True) if after.is_noise]
    assert len(changed) == 160
    assert all(before.caption != after.caption for before, after in changed)
    assert sum(pair.caption in BOILERPLATE for pair in noisy) == 80
    kept = by_rules(noisy)
    assert not any(pair.caption in BOILERPLATE for pair in kept)
    assert len(kept) == 120


def test_the_tars_stream_as_pairs(tmp_path: Path) -> None:
    pairs = make_pairs(Emoji("noto", f"thing {number}", make_image(number, format="PNG")) for number in range(6))
    data = write_dataset(pairs, tmp_path / "clean")
    assert write_dataset([], tmp_path / "clean") == data
    stream = StreamingDataset(data, rank=0, world_size=1)
    first = next(iter(stream))
    assert first.text in {pair.caption for pair in pairs}
