"""The pre-training losses against their formulas."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.config import TrainConfig
from corpusloom.trainers.training.task import Loss, StepContext
from corpusloom.trainers.vilbert.config import ObjectiveConfig, ViLBERTDataConfig
from corpusloom.trainers.vilbert.data import PretrainingTransform
from corpusloom.trainers.vilbert.model.pretraining import ViLBERT
from corpusloom.trainers.vilbert.objective import (
    IGNORE,
    PretrainingObjective,
    masked_region_loss,
    masked_word_loss,
    softmax_alignment_loss,
    weighted_alignment_loss,
)
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
    negatives = losses(model, batch, negatives=1.0)
    assert (negatives["words"], negatives["regions"]) == (0, 0)
    assert negatives["total"] == pytest.approx(negatives["alignment"])  # a batch of all negatives
    assert losses(model, batch, negatives=1.0, masked_on_negatives=True)["words"] > 0


def test_the_total_is_the_weighted_sum() -> None:
    model, batch = small_model(), make_batch(mask=0.5)
    found = losses(model, batch, word_weight=2.0, region_weight=0.5)
    assert found["total"] == pytest.approx(2 * found["words"] + 0.5 * found["regions"] + found["alignment"], rel=1e-5)


@pytest.mark.parametrize("negatives", [0, 3])
def test_columns_that_are_padding_in_all_rows_are_left_out_and_change_no_loss(negatives: int) -> None:
    model, batch = small_model(), make_batch(mask=0.5, tokens=16)
    padded = {
        name: F.pad(batch[name], (0, 4), value=value)
        for name, value in {"original": 0, "tokens": 0, "token_mask": False, "word_labels": IGNORE}.items()
    }
    widths = list[int]()
    model.text_layers[0].register_forward_hook(lambda _, inputs, __: widths.append(inputs[0].shape[1]))
    expected = losses(model, batch, softmax_negatives=negatives)
    assert losses(model, {**batch, **padded}, softmax_negatives=negatives) == expected
    assert set(widths) == {int(batch["token_mask"].sum(1).max())}
    assert widths[0] < batch["tokens"].shape[1]


def test_with_softmax_negatives_each_image_is_scored_with_its_own_caption_and_others() -> None:
    model, batch = small_model(), make_batch(mask=0.5)
    objective = PretrainingObjective(ObjectiveConfig(softmax_negatives=3))
    prepared = objective.prepare(batch)
    chosen, wrong = prepared["chosen"], prepared["wrong"]
    assert chosen.shape == (16, 4)
    assert torch.equal(prepared["captions"][chosen[:, 0]], batch["tokens"])
    assert all(len(set(row)) == 4 for row in chosen.tolist())
    text, image, scores = objective._forward(model, prepared)
    visual = (batch["features"].float(), batch["locations"], batch["region_mask"])
    whole = model(batch["tokens"], batch["token_mask"], *visual)
    torch.testing.assert_close(text, whole.text)
    torch.testing.assert_close(image, whole.image[:, 1:])
    torch.testing.assert_close(scores[:, 0], whole.alignment)
    other = chosen[:, 2]
    swapped = model(prepared["captions"][other], prepared["caption_mask"][other], *visual)
    torch.testing.assert_close(scores[:, 2], swapped.alignment)
    assert wrong.shape == (16, 3)


def test_the_losses_over_an_images_captions_are_those_of_their_formulas() -> None:
    scores = torch.tensor([[[2.0, 0.0], [1.0, 0.0], [5.0, 0.0]], [[0.0, 1.0], [3.0, 0.0], [0.0, 2.0]]])
    wrong = torch.tensor([[True, False], [True, True]])
    first = math.log(1 + math.exp(1.0 - 2.0))
    second = math.log(1 + math.exp(3.0 + 1.0) + math.exp(-2.0 + 1.0))
    torch.testing.assert_close(softmax_alignment_loss(scores, wrong), torch.tensor(first + second))
    softplus = [math.log1p(math.exp(value)) for value in (-2.0, 1.0, 1.0, 3.0, -2.0)]  # own, its other; own, others
    expected = 0.75 * (softplus[0] + softplus[2]) + 0.25 * (softplus[1] + (softplus[3] + softplus[4]) / 2)
    torch.testing.assert_close(weighted_alignment_loss(scores, wrong, 0.25), torch.tensor(expected))


def test_an_image_whose_other_captions_all_have_its_text_is_aligned_at_no_cost() -> None:
    scores, wrong = torch.randn(2, 4, 2), torch.zeros(2, 3, dtype=torch.bool)
    torch.testing.assert_close(softmax_alignment_loss(scores, wrong), torch.tensor(0.0))
    assert weighted_alignment_loss(scores, wrong, 0.5).isfinite()


def test_a_step_of_one_pair_has_no_negatives_and_a_finite_loss() -> None:
    found = losses(small_model(), make_batch(1), softmax_negatives=3)
    assert found["softmax"] == 0
    assert math.isfinite(found["total"])
    assert found["aligned_right"] == 1


def test_the_total_has_the_softmax_with_its_weight() -> None:
    model, batch = small_model(), make_batch(mask=0.5)
    found = losses(model, batch, softmax_negatives=3, softmax_weight=0.5)
    parts = found["words"] + found["regions"] + found["alignment"] + 0.5 * found["softmax"]
    assert found["total"] == pytest.approx(parts, rel=1e-5)


def test_captions_of_one_text_are_no_negatives_of_each_other() -> None:
    batch = make_batch(2)
    batch["original"][1] = batch["original"][0]
    assert not PretrainingObjective(ObjectiveConfig(softmax_negatives=1)).prepare(batch)["wrong"].any()


@pytest.mark.parametrize("changes", [{"negatives": 1.5}, {"negatives": -0.1}, {"softmax_negatives": -1}])
def test_shares_and_counts_out_of_range_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))):
        ObjectiveConfig(**changes)


@pytest.mark.parametrize("softmax_negatives", [0, 3])
def test_every_parameter_has_a_gradient(softmax_negatives: int) -> None:
    model, batch = small_model(), make_batch(mask=0.5)
    loss_of(model, batch, softmax_negatives=softmax_negatives).value.backward()
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
