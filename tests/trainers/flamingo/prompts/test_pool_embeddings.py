"""RICES from the embeddings beside a pool: equal to the tower's own, and only if they are by that tower."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.flamingo.config import FlamingoDataConfig
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.flamingo.prompts import rices
from corpusloom.trainers.flamingo.prompts.pool import open_pool
from corpusloom.trainers.flamingo.prompts.pool_embeddings import find_embeddings
from corpusloom.trainers.jobs.embed import embed
from tests.trainers.clip.folders import hf_folder
from tests.trainers.datasets import Pair, encode_jpeg, write_pairs
from tests.trainers.flamingo.prompts.test_rices import TINTS, coloured
from tests.trainers.flamingo.test_data import VOCABULARY


def test_embeddings_beside_a_pool_give_the_neighbours_of_the_tower_and_no_image_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [
        Pair(encode_jpeg(coloured(tint)[0].transpose(1, 2, 0).repeat(4, 0).repeat(4, 1)), name)
        for name, tint in TINTS.items()
    ]
    data = write_pairs(tmp_path / "pairs", pictures)
    clip = hf_folder(tmp_path / "clip")[0]
    tower = load_clip(clip)[0].image
    transform = FlamingoTransform(VOCABULARY, FlamingoDataConfig(), tower.size, augment=False)
    with ExitStack() as closing:
        pool = open_pool(data, transform, closing)
        queries = [pool.read(number) for number in range(4)]
        assert find_embeddings(pool, tower) is None
        computed = rices.most_similar(tower, queries, pool, 2)
        embed(data, clip)
        monkeypatch.setattr(rices, "embed_pool", None)
        assert rices.most_similar(tower, queries, pool, 2) == computed
        assert [row[0] for row in computed] == [0, 1, 2, 3]
        for parameter in tower.parameters():
            parameter.data.add_(0.1)
        assert find_embeddings(pool, tower) is None
