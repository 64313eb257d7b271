"""The objective: its losses whole and in chunks, rows that do not count, what it reports."""

from typing import Any

import pytest
import torch
from torch import Tensor

from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from corpusloom.trainers.clip.model import CLIP, Embeddings
from corpusloom.trainers.clip.objective import PairObjective, pair_loss
from corpusloom.trainers.training.task import Loss, StepContext
from tests.trainers.training.toy import toy_config

B = 6
CONTEXT = StepContext(step=0, config=toy_config(), device=torch.device("cpu"))


def small(loss: str, patch_dropout: float = 0.0) -> CLIP:
    torch.manual_seed(0)
    image = ImageTowerConfig(size=16, layers=1, width=16, heads=2, patch=4, patch_dropout=patch_dropout)
    text = TextTowerConfig(vocab_size=20, context=5, layers=1, width=16, heads=2)
    return CLIP(CLIPConfig(embed_dim=8, loss=loss, image=image, text=text))


def batch() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(9)
    images = torch.randint(0, 256, (B, 3, 16, 16), dtype=torch.uint8, generator=generator)
    tokens = torch.randint(0, 20, (B, 5), generator=generator)
    return {"keys": [str(row) for row in range(B)], "image": images, "tokens": tokens}


def losses(objective: PairObjective, model: CLIP, given: dict[str, Any]) -> list[Loss]:
    """Back-propagate the losses of a batch, one after another."""
    prepared = objective.prepare(given)
    found = []
    for loss in objective.losses(model, prepared, objective.counts(prepared), CONTEXT):
        loss.value.backward()
        found.append(loss)
    return found


def test_batch_accuracy_and_scale_are_reported() -> None:
    model = small("softmax")
    (loss,) = losses(PairObjective(), model, batch())
    assert set(loss.metrics) == {"logit_scale", "batch_accuracy"}
    scale, number = loss.metrics["logit_scale"]
    assert float(scale) / float(number) == pytest.approx(1 / 0.07)
    assert loss.metrics["batch_accuracy"][1] == B


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
@pytest.mark.parametrize("patch_dropout", [0.0, 0.5])
def test_chunks_give_the_loss_and_gradient_of_the_whole_batch(loss: str, patch_dropout: float) -> None:
    whole, parts = small(loss, patch_dropout), small(loss, patch_dropout)
    torch.manual_seed(1)
    chunked = losses(PairObjective(chunks=3), parts, batch())
    assert [part.surrogate for part in chunked] == [False, True, True, True]
    embeddings = _embed_in_chunks(whole, 3) if patch_dropout else whole(**_inputs(batch()))
    expected = pair_loss(embeddings) / B
    expected.backward()
    assert torch.allclose(chunked[0].value, expected, rtol=1e-5)
    for (name, one), other in zip(whole.named_parameters(), parts.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=2e-5 * one.grad.abs().max().item()), name


def test_chunks_run_a_locked_image_tower_once() -> None:
    whole, parts = small("softmax"), small("softmax")
    for model in (whole, parts):
        model.image.requires_grad_(False)
    runs: list[int] = []
    parts.image.register_forward_hook(lambda *_: runs.append(1))
    losses(PairObjective(), whole, batch())
    losses(PairObjective(chunks=3), parts, batch())
    assert len(runs) == 3
    for (name, one), other in zip(whole.named_parameters(), parts.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None) == name.startswith("image.")
        if one.grad is not None and other.grad is not None:
            assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=2e-5 * one.grad.abs().max().item()), name


def _inputs(rows: dict[str, Tensor]) -> dict[str, Tensor]:
    return {"images": rows["image"], "tokens": rows["tokens"]}


def _embed_in_chunks(model: CLIP, chunks: int) -> Embeddings:
    """Embed each chunk with the random state that the chunked objective gives it after torch.manual_seed(1)."""
    pieces = zip(batch()["image"].chunk(chunks), batch()["tokens"].chunk(chunks), strict=True)
    found = []
    for number, piece in enumerate(pieces):
        torch.manual_seed(4096 + number)
        found.append(model(*piece))
    return found[0]._replace(image=torch.cat([f.image for f in found]), text=torch.cat([f.text for f in found]))


@pytest.mark.parametrize("chunks", [1, 2])
def test_rows_beyond_the_keys_count_nowhere(chunks: int) -> None:
    one, other = small("softmax"), small("softmax")
    given = batch()
    fewer = {"keys": given["keys"][:4], "image": given["image"][:4], "tokens": given["tokens"][:4]}
    expected = losses(PairObjective(chunks), one, fewer)
    found = losses(PairObjective(chunks), other, {**given, "keys": given["keys"][:4]})
    assert torch.allclose(expected[0].value, found[0].value, rtol=1e-6)
    for (name, first), second in zip(one.named_parameters(), other.parameters(), strict=True):
        assert torch.allclose(first.grad, second.grad, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("chunks", [1, 3])
def test_a_batch_without_a_pair_has_a_loss_and_a_gradient_of_zero(chunks: int) -> None:
    model = small("softmax")
    given = {name: value[:1] for name, value in batch().items()} | {"keys": []}
    found = losses(PairObjective(chunks), model, given)
    assert found[0].value == 0
    assert found[0].metrics["batch_accuracy"][1] == 0
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in model.parameters())


def test_logits_are_float32_under_autocast() -> None:
    model = small("softmax")
    embeddings = model(**_inputs(batch()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = pair_loss(embeddings)
    assert torch.equal(lowered, pair_loss(embeddings))
