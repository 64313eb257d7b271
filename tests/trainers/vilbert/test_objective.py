"""The three pre-training losses against their formulas, and the choice of negatives."""

from typing import Any

import numpy as np
import pytest
import torch

from corpusloom.trainers.training.config import TrainConfig
from corpusloom.trainers.training.task import Loss, StepContext
from corpusloom.trainers.vilbert.config import ObjectiveConfig, ViLBERTDataConfig
from corpusloom.trainers.vilbert.data import PretrainingTransform
from corpusloom.trainers.vilbert.model import ViLBERT
from corpusloom.trainers.vilbert.objective import PretrainingObjective, masked_region_loss, masked_word_loss, mismatch
from corpusloom.trainers.vilbert.tokenizer import learn_tokenizer
from tests.trainers.vilbert.region_pairs import region_sample
from tests.trainers.vilbert.small import small_config, small_model
from tests.trainers.vilbert.test_data import CAPTIONS

CONTEXT = StepContext(step=0, config=TrainConfig(steps=1, batch_size=8, lr=1.0), device=torch.device("cpu"))


def make_batch(count: int = 16, **changes: Any) -> dict[str, Any]:
    samples = [region_sample(number) for number in range(count)]
    tokenizer = learn_tokenizer([*CAPTIONS, *(sample.text for sample in samples)], 45)
    transform = PretrainingTransform(tokenizer, ViLBERTDataConfig(**({"tokens": 12, "regions": 6} | changes)))
    rows = [transform(sample, np.random.default_rng(number)) for number, sample in enumerate(samples)]
    arrays = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
    return {"keys": [sample.key for sample in samples], **arrays}


def loss_of(model: ViLBERT, batch: dict[str, Any], **changes: Any) -> Loss:
    objective = PretrainingObjective(ObjectiveConfig(**changes))
    prepared = objective.prepare(batch)
    totals = {name: float(count) for name, count in objective.counts(prepared).items()}
    (loss,) = objective.losses(model, prepared, totals, CONTEXT)
    return loss


def means(loss: Loss) -> dict[str, float]:
    return {name: float(total) / max(float(number), 1) for name, (total, number) in loss.metrics.items()}


def losses(model: ViLBERT, batch: dict[str, Any], **changes: Any) -> dict[str, float]:
    loss = loss_of(model, batch, **changes)
    return {"total": float(loss.value.detach()), **means(loss)}


def test_word_loss_is_the_summed_cross_entropy_of_masked_words() -> None:
    logits, labels = torch.randn(5, 7), torch.tensor([0, 3, 6, 2, 2])
    expected = -torch.log_softmax(logits, -1)[range(5), labels].sum()
    torch.testing.assert_close(masked_word_loss(logits, labels), expected)


def test_region_loss_is_the_divergence_from_the_detector() -> None:
    logits, targets = torch.randn(4, 6), torch.softmax(torch.randn(4, 6), -1)
    targets[0] = torch.eye(6)[2]  # a class without any probability must not give NaN
    predicted = torch.log_softmax(logits, -1)
    expected = (torch.xlogy(targets, targets) - targets * predicted).sum()
    torch.testing.assert_close(masked_region_loss(logits, targets), expected)
    torch.testing.assert_close(masked_region_loss(targets.clamp_min(1e-30).log(), targets), torch.tensor(0.0))


def test_without_masked_items_the_loss_is_zero_and_not_nan() -> None:
    found = losses(small_model(), make_batch(mask=0.0))
    assert found["words"] == found["regions"] == 0
    assert found["total"] == pytest.approx(found["alignment"])


def test_a_negative_never_has_its_images_own_caption() -> None:
    texts = torch.tensor([[1, 2], [1, 2], [3, 4], [5, 6], [3, 4]])
    for seed in range(50):
        draws = torch.rand(5, 3, generator=torch.Generator().manual_seed(seed))
        source, label = mismatch(texts, draws, 1.0)
        for row in range(5):
            assert bool((texts[source[row]] == texts[row]).all()) == (label[row] == 0)
            assert label[row] == 1 or source[row] == row


def test_half_of_the_pairs_are_negatives() -> None:
    draws = torch.rand(10_000, 3, generator=torch.Generator().manual_seed(0))
    _, label = mismatch(torch.arange(10_000)[:, None], draws, 0.5)
    assert abs(int(label.sum()) - 5000) < 200


def test_every_other_row_is_drawn_and_never_the_own() -> None:
    draws = torch.rand(4_000, 3, generator=torch.Generator().manual_seed(0))
    draws[:, 1] = torch.arange(4_000) / 4_000
    sources = mismatch(torch.arange(4_000)[:, None], draws, 1.0)[0]
    assert not (sources == torch.arange(4_000)).any()
    four = torch.tensor([[0.0, draw, 0.1 * row] for draw in (0.0, 0.4, 0.999) for row in range(4)]).view(3, 4, 3)
    found = [mismatch(torch.arange(4)[:, None], draw, 1.0)[0].tolist() for draw in four]
    assert [set(column) for column in zip(*found, strict=True)] == [{1, 2, 3}, {0, 2, 3}, {0, 1, 3}, {0, 1, 2}]


def test_negatives_do_not_depend_on_the_order_of_the_rows() -> None:
    texts, draws = torch.arange(9)[:, None], torch.rand(9, 3, generator=torch.Generator().manual_seed(3))
    order = torch.randperm(9, generator=torch.Generator().manual_seed(4))
    one, other = mismatch(texts, draws, 0.7)[0], mismatch(texts[order], draws[order], 0.7)[0]
    assert torch.equal(texts[one][order], texts[order][other])


def test_a_single_pair_stays_aligned() -> None:
    assert mismatch(torch.tensor([[1, 2]]), torch.zeros(1, 3), 1.0)[1].tolist() == [0]


def test_column_zero_of_the_logits_means_aligned() -> None:
    model = small_model()
    with torch.no_grad():
        model.alignment.weight.zero_()
        model.alignment.bias.copy_(torch.tensor([9.0, -9.0]))
    batch = make_batch()
    assert losses(model, batch, negatives=0.0)["alignment"] < 1e-4
    assert losses(model, batch, negatives=0.0)["aligned_right"] == 1
    assert losses(model, batch, negatives=1.0)["alignment"] > 10


def test_masked_losses_count_on_aligned_pairs_only_unless_asked() -> None:
    model, batch = small_model(), make_batch(mask=0.5)
    assert losses(model, batch, negatives=1.0)["words"] == 0
    assert losses(model, batch, negatives=1.0)["regions"] == 0
    assert losses(model, batch, negatives=1.0, masked_on_negatives=True)["words"] > 0


def test_the_total_is_the_weighted_sum() -> None:
    model, batch = small_model(), make_batch(mask=0.5)
    found = losses(model, batch, word_weight=2.0, region_weight=0.5)
    assert found["total"] == pytest.approx(2 * found["words"] + 0.5 * found["regions"] + found["alignment"], rel=1e-5)


def test_every_parameter_has_a_gradient() -> None:
    model, batch = small_model(), make_batch(mask=0.5)
    loss_of(model, batch).value.backward()
    idle = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert not idle  # DistributedDataParallel would wait for them


def test_a_small_data_set_is_learnt_by_heart() -> None:
    torch.manual_seed(0)
    model, batch = ViLBERT(small_config(init_std=0.2, layers=3, t_connections=(1, 2))), make_batch(8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, foreach=True)
    for _ in range(240):
        loss = loss_of(model, batch)
        optimizer.zero_grad()
        loss.value.backward()
        optimizer.step()
        found = means(loss)
        if max(found["alignment"], found["words"], found["regions"]) < 0.1:
            return
    raise AssertionError(found)
