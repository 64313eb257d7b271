"""Scores of pairs do not depend on how pairs are computed together; the time is told before the work begins."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.config import ParallelConfig
from corpusloom.trainers.training.parallel import parallelize
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.retrieval import scores
from corpusloom.trainers.vilbert.retrieval.scores import (
    CaptionInputs,
    RegionInputs,
    duration,
    encode_images,
    score_captions,
    score_pool,
)
from tests.trainers.ranks import run_ranks
from tests.trainers.vilbert.small import small_model

CAPTIONS, IMAGES = 7, 5


def pool() -> tuple[CaptionInputs, RegionInputs]:
    """Return captions and images of several lengths, in no order."""
    random = torch.Generator().manual_seed(2)
    lengths = torch.tensor([5, 9, 3, 5, 7, 5, 9])
    tokens = torch.randint(5, 50, (CAPTIONS, 9), generator=random)
    mask = torch.arange(9) < lengths[:, None]
    regions = torch.arange(7) < torch.tensor([4, 7, 2, 7, 3])[:, None]
    features = torch.randn(IMAGES, 7, 10, generator=random).half()
    return CaptionInputs(tokens, mask), RegionInputs(features, torch.rand(IMAGES, 7, 5, generator=random), regions)


def alone(model: ViLBERT) -> Tensor:
    """Return the scores of all pairs, each computed by a forward pass of its own over padded inputs."""
    captions, regions = pool()
    found = torch.empty(CAPTIONS, IMAGES)
    for m in range(CAPTIONS):
        for n in range(IMAGES):
            image = regions.features[n : n + 1].float(), regions.locations[n : n + 1], regions.mask[n : n + 1]
            logits = model(captions.tokens[m : m + 1], captions.mask[m : m + 1], *image).alignment[0]
            found[m, n] = logits[0] - logits[1]
    return found


@pytest.mark.parametrize("most", [1, 2, 4, 9, 1000])
def test_scores_are_those_of_each_pair_computed_alone(most: int) -> None:
    model, (captions, regions) = small_model(), pool()
    with torch.no_grad():
        images = encode_images(model, regions, 2)
        found = torch.cat([score_captions(model, captions, part, images, most) for part in ([4, 0, 3], [5, 1, 6, 2])])
        expected = alone(model)[[4, 0, 3, 5, 1, 6, 2]]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"streams": 1, "v_hidden": 24, "co_hidden": 24},
        {"v_connections": (), "t_connections": ()},
        {"v_connections": (1, 2), "t_connections": (0, 4)},
    ],
)
def test_so_are_those_of_other_shapes(changes: dict[str, Any]) -> None:
    model, (captions, regions) = small_model(**changes), pool()
    with torch.no_grad():
        found = score_captions(model, captions, range(CAPTIONS), encode_images(model, regions, 9))
        torch.testing.assert_close(found, alone(model), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_scores_stand_in_the_order_of_captions_and_images_with_any_batch(batch_size: int) -> None:
    model, (captions, regions) = small_model(), pool()
    found, reused = score_pool(model, captions, regions, EvaluationSettings(batch_size=batch_size), "pool")
    with torch.no_grad():
        torch.testing.assert_close(found, alone(model), atol=1e-5, rtol=1e-5)
    assert reused == 0


def test_a_caption_and_an_image_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (captions, regions) = small_model(), pool()
    encoded: dict[str, int] = {"encode_text": 0, "encode_image": 0}
    for name in encoded:

        def counted(first: Tensor, *rest: Tensor, name: str = name, plain: object = getattr(model, name)) -> Tensor:
            encoded[name] += len(first)
            assert callable(plain)
            found: Tensor = plain(first, *rest)
            return found

        monkeypatch.setattr(model, name, counted)
    score_pool(model, captions, regions, EvaluationSettings(batch_size=2), "pool")
    assert encoded == {"encode_text": CAPTIONS, "encode_image": IMAGES}


def test_killed_scoring_goes_on_from_its_finished_batches(tmp_path: Path) -> None:
    model, (captions, regions) = small_model(), pool()
    settings = EvaluationSettings(batch_size=3, partial=str(tmp_path))
    whole, _ = score_pool(model, captions, regions, settings, "pool")
    (tmp_path / "0000001.safetensors").unlink()
    again, reused = score_pool(model, captions, regions, settings, "pool")
    assert torch.equal(whole, again)
    assert reused == 2


def test_the_expected_time_is_told_before_the_work_begins() -> None:
    model, (captions, regions) = small_model(), pool()
    lines: list[str] = []
    score_pool(model, captions, regions, EvaluationSettings(note=lines.append), "pool")
    (line,) = lines
    assert line.startswith("7 captions x 5 images are 35 pairs; 5 of them took ")
    assert ": about " in line
    assert line.endswith(" for all")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0123, "0.0123 s"), (119, "119 s"), (150, "2 min"), (7199, "120 min"), (36_000, "10 h")]
)
def test_durations_have_a_fitting_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_close_scores_are_told_apart_under_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (captions, regions) = small_model(), pool()
    found, _ = score_pool(model, captions, regions, EvaluationSettings(precision="bf16"), "pool")
    assert found.dtype == torch.float32
    assert len(found.unique()) == CAPTIONS * IMAGES  # of 8 bits there are few between two scores


def _of_ranks(parallel: ParallelConfig) -> dict[str, Tensor]:
    torch.set_num_threads(1)
    with distributed.mesh_session("cpu", parallel):
        model, (captions, regions) = small_model(), pool()
        parallelize(model, parallel)
        return {"scores": score_pool(model, captions, regions, EvaluationSettings(batch_size=2), "pool")[0]}


@pytest.mark.parametrize("parallel", [ParallelConfig(), ParallelConfig(shard=-1)], ids=["whole", "sharded"])
def test_ranks_share_the_captions(parallel: ParallelConfig, tmp_path: Path) -> None:
    model = small_model()
    for found in run_ranks(partial(_of_ranks, parallel), tmp_path, 2):
        with torch.no_grad():
            torch.testing.assert_close(found["scores"], alone(model), atol=1e-5, rtol=1e-5)


def test_fewer_pairs_are_computed_together_on_a_cpu() -> None:
    assert scores.pairs_together(torch.device("cpu")) < scores.pairs_together(torch.device("cuda"))
