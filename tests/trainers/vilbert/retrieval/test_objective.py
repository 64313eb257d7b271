"""The four pairs of each row, their loss by hand, and steps in which some of them are missing."""

from typing import Any

import pytest
import torch
from torch import Tensor

from corpusloom.trainers.training.config import TrainConfig
from corpusloom.trainers.training.task import StepContext
from corpusloom.trainers.vilbert.retrieval.objective import RetrievalObjective, choose, four_way_losses
from tests.trainers.vilbert.small import small_model

CONTEXT = StepContext(step=0, config=TrainConfig(steps=1, batch_size=1, lr=1e-3), device=torch.device("cpu"))


def retrieval_batch(rows: int, images: int | None = None, seed: int = 0) -> dict[str, Any]:
    """Return a batch of rows, of which each is of another image, or which take turns among `images`."""
    random = torch.Generator().manual_seed(seed)
    mask = torch.arange(9) < torch.randint(3, 10, (rows, 1), generator=random)
    hard_mask = torch.arange(9) < torch.randint(3, 10, (rows, 1), generator=random)
    number = torch.arange(rows) % (images or rows)
    features = torch.randn(rows, 7, 10, generator=random).half()
    return {
        "keys": [str(row) for row in range(rows)],
        "image": number,
        "tokens": torch.randint(5, 50, (rows, 9), generator=random) * mask,
        "token_mask": mask,
        "hard_tokens": torch.randint(5, 50, (rows, 9), generator=random) * hard_mask,
        "hard_mask": hard_mask,
        "has_hard": torch.ones(rows, dtype=torch.bool),
        "draws": torch.rand(rows, 4, generator=random, dtype=torch.float64),
        "features": features[number],
        "locations": torch.rand(rows, 7, 5, generator=random)[number],
        "region_mask": (torch.arange(7) < torch.randint(3, 8, (rows, 1), generator=random))[number],
    }


def step(batch: dict[str, Any]) -> tuple[Tensor, dict[str, float]]:
    """Return loss and mean metrics of a step of one rank."""
    objective = RetrievalObjective()
    prepared = objective.prepare(batch)
    totals = {name: float(value) for name, value in objective.counts(prepared).items()}
    (loss,) = objective.losses(small_model(), prepared, totals, CONTEXT)
    return loss.value, {name: float(total) / max(float(count), 1) for name, (total, count) in loss.metrics.items()}


def test_a_row_takes_the_first_possible_row_from_its_draw_on() -> None:
    places = torch.tensor([0.1, 0.4, 0.6, 0.9], dtype=torch.float64)
    possible = torch.tensor([[True] * 4, [True, True, False, False], [False] * 4, [False, True, True, True]])
    found, some = choose(possible, torch.tensor([0.5, 0.5, 0.5, 0.95], dtype=torch.float64), places)
    assert found[[0, 1, 3]].tolist() == [2, 0, 1]
    assert some.tolist() == [True, True, False, True]


def test_each_possible_row_is_chosen_by_many_draws() -> None:
    random = torch.Generator().manual_seed(0)
    possible = ~torch.eye(6, dtype=torch.bool)
    counts = torch.zeros(6, 6)
    for _ in range(600):
        draws, places = torch.rand(2, 6, generator=random, dtype=torch.float64)
        found, _ = choose(possible, draws, places)
        counts[torch.arange(6), found] += 1
    assert counts.diagonal().sum() == 0
    assert counts[possible].min() > 80  # 120 are expected, with a deviation of 10


def test_the_four_pairs_are_the_right_one_and_three_wrong_ones() -> None:
    batch = retrieval_batch(6)
    found = RetrievalObjective().prepare(batch)
    captions, pictures = found["captions"][found["texts"]], found["features"][found["images"]]
    for row in range(6):
        assert torch.equal(captions[row, 0], batch["tokens"][row])
        assert torch.equal(captions[row, 2], batch["tokens"][row])
        assert torch.equal(captions[row, 3], batch["hard_tokens"][row])
        assert any(torch.equal(captions[row, 1], batch["tokens"][other]) for other in range(6) if other != row)
        for place in (0, 1, 3):
            assert torch.equal(pictures[row, place], batch["features"][row])
        assert any(torch.equal(pictures[row, 2], batch["features"][other]) for other in range(6) if other != row)
    assert found["counts"].all()
    assert len(found["captions"]) == 12  # each caption and each hard one, once
    assert len(found["features"]) == 6


def test_captions_of_the_same_image_or_of_the_same_text_are_no_wrong_ones() -> None:
    found = RetrievalObjective().prepare(retrieval_batch(6, images=2))
    own = found["images"][:, 0] % 2
    assert (found["texts"][:, 1] % 2 != own).all()
    assert (found["images"][:, 2] % 2 != own).all()
    batch = retrieval_batch(4)
    batch["tokens"][:3] = batch["tokens"][0]
    found = RetrievalObjective().prepare(batch)
    assert found["texts"][:3, 1].tolist() == [3, 3, 3]
    assert found["images"][:3, 2].tolist() == [3, 3, 3]


@pytest.mark.parametrize(("rows", "images"), [(1, 1), (4, 1)])
def test_without_another_image_the_right_and_the_hard_pair_are_left(rows: int, images: int) -> None:
    batch = retrieval_batch(rows, images)
    assert RetrievalObjective().prepare(batch)["counts"].tolist() == [[True, False, False, True]] * rows
    loss, metrics = step(batch)
    assert loss > 0
    assert metrics["task_loss"] == pytest.approx(loss.item())


def test_a_step_in_which_nothing_is_wrong_has_no_loss_and_a_gradient() -> None:
    batch = retrieval_batch(1) | {"has_hard": torch.zeros(1, dtype=torch.bool)}
    loss, metrics = step(batch)
    assert loss == 0
    assert metrics["right"] == 1
    loss.backward()  # type: ignore[no-untyped-call]


def test_the_loss_is_the_cross_entropy_of_the_right_pair() -> None:
    scores = torch.tensor([[2.0, 1.0, 0.0, 3.0], [0.5, 0.5, 9.0, 0.5]])
    counts = torch.tensor([[True] * 4, [True, True, False, True]])
    first = -torch.log_softmax(scores[0], 0)[0]
    torch.testing.assert_close(four_way_losses(scores, counts), torch.stack([first, torch.tensor(3.0).log()]))


def test_scores_of_a_step_are_those_of_each_pair_computed_alone() -> None:
    batch, model = retrieval_batch(5), small_model()
    found = RetrievalObjective().prepare(batch)
    scores = torch.empty(5, 4)
    with torch.no_grad():
        for row in range(5):
            for place in range(4):
                text, image = found["texts"][row, place], found["images"][row, place]
                logits = model(
                    found["captions"][text][None],
                    found["caption_mask"][text][None],
                    found["features"][image][None].float(),
                    found["locations"][image][None],
                    found["region_mask"][image][None],
                ).alignment[0]
                scores[row, place] = logits[0] - logits[1]
    loss, metrics = step(batch)
    torch.testing.assert_close(loss, four_way_losses(scores, found["counts"]).mean(), atol=1e-5, rtol=1e-5)
    assert metrics["right"] == pytest.approx(float((scores.argmax(1) == 0).float().mean()))


def test_a_rank_without_a_row_runs_the_forward_pass_all_the_same() -> None:
    batch = retrieval_batch(1) | {"keys": []}
    loss, _ = step(batch)
    assert loss == 0
    assert loss.requires_grad
