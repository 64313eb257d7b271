"""The losses: their formulas, exact gradients over ranks and over chunks."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from corpusloom.trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from corpusloom.trainers.clip.model import CLIP, Embeddings
from corpusloom.trainers.clip.objective import (
    chunked_objective,
    contrastive_loss,
    no_embeddings,
    objective,
    pair_loss,
    sigmoid_loss,
)
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.loop import StepContext
from tests.trainers.ranks import run_ranks
from tests.trainers.training.toy import toy_config

B, W = 6, 2


def features() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return tuple(F.normalize(torch.randn(B, 8, generator=generator), dim=-1) for _ in range(2))  # type: ignore[return-value]


def small(loss: str, patch_dropout: float = 0.0) -> CLIP:
    torch.manual_seed(0)
    image = ImageTowerConfig(size=16, layers=1, width=16, heads=2, patch=4, patch_dropout=patch_dropout)
    text = TextTowerConfig(vocab_size=20, context=5, layers=1, width=16, heads=2)
    return CLIP(CLIPConfig(embed_dim=8, loss=loss, image=image, text=text))


def batch() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(9)
    images = torch.randint(0, 256, (B, 3, 16, 16), dtype=torch.uint8, generator=generator)
    return {"image": images, "tokens": torch.randint(0, 20, (B, 5), generator=generator)}


def test_the_contrastive_loss_is_that_of_the_papers_figure_3() -> None:
    image, text = (side.double().numpy() for side in features())
    logits = 14.0 * image @ text.T
    rows = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    columns = logits - np.log(np.exp(logits).sum(0, keepdims=True))
    expected = -(np.diag(rows).mean() + np.diag(columns).mean()) / 2
    got = contrastive_loss(*features(), torch.tensor([np.log(14.0)], dtype=torch.float32))
    assert got.item() == pytest.approx(expected, abs=1e-5)


def test_the_sigmoid_loss_is_that_of_the_papers_algorithm_1() -> None:
    image, text = (side.double().numpy() for side in features())
    logits = 7.0 * image @ text.T - 3.0
    signs = 2 * np.eye(B) - 1
    expected = np.log1p(np.exp(-signs * logits)).sum() / B
    got = sigmoid_loss(*features(), torch.tensor([np.log(7.0)], dtype=torch.float32), torch.tensor([-3.0]))
    assert got.item() == pytest.approx(expected, abs=1e-5)


def test_batch_accuracy_and_scale_are_reported() -> None:
    model = small("softmax")
    context = StepContext(step=0, config=toy_config(), device=torch.device("cpu"))
    (loss,) = objective(model, batch(), context)
    assert set(loss.metrics) == {"logit_scale", "batch_accuracy"}
    assert float(loss.metrics["logit_scale"]) == pytest.approx(1 / 0.07)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
@pytest.mark.parametrize("patch_dropout", [0.0, 0.5])
def test_chunks_give_the_loss_and_gradient_of_the_whole_batch(loss: str, patch_dropout: float) -> None:
    whole, parts = small(loss, patch_dropout), small(loss, patch_dropout)
    context = StepContext(step=0, config=toy_config(), device=torch.device("cpu"))
    torch.manual_seed(1)
    chunked = list(_run_backward(chunked_objective(3)(parts, batch(), context)))
    assert [part.surrogate for part in chunked] == [False, True, True, True]
    embeddings = _embed_in_chunks(whole, 3) if patch_dropout else whole(**_inputs(batch()))
    expected = pair_loss(whole, embeddings)
    expected.backward()
    assert torch.allclose(chunked[0].value, expected, rtol=1e-5)
    for (name, one), other in zip(whole.named_parameters(), parts.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
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
    return Embeddings(torch.cat([f.image for f in found]), torch.cat([f.text for f in found]))


def _run_backward(losses: Iterator) -> Iterator:
    for loss in losses:
        loss.value.backward()
        yield loss


def _gradients_of_a_rank() -> dict[str, Tensor]:
    """Return both losses and their averaged gradients, where each rank has its part of the batch."""
    found: dict[str, Tensor] = {}
    part = (
        slice(distributed.rank() * B // W, (distributed.rank() + 1) * B // W)
        if distributed.world_size() > 1
        else slice(B)
    )
    for loss in ("softmax", "sigmoid"):
        model = small(loss).double()
        rows = _inputs(batch())
        embeddings = Embeddings(*(_double(model, kind, rows)[part] for kind in ("image", "text")))
        value = pair_loss(model, embeddings)
        value.backward()
        distributed.average_gradients(list(model.parameters()))
        found[f"{loss}:loss"] = distributed.mean_over_ranks(value.detach())
        found |= {f"{loss}:{name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    tensor = torch.arange(3.0, dtype=torch.double, requires_grad=True)
    gathered = distributed.all_gather(tensor * (distributed.rank() + 1), distributed.row_counts(len(tensor)))
    (gathered * (distributed.rank() + 1)).sum().backward()
    assert tensor.grad is not None
    return found | {"gathered": gathered.detach(), "gather_grad": tensor.grad}


LOST = {"one row of a rank": [2], "all rows of a rank": list(range(B // W)), "all rows": list(range(B))}


def _gradients_with_lost_rows() -> dict[str, Tensor]:
    """Return losses and averaged gradients, where some rows of the batch cannot be used, on one rank or on each."""
    found: dict[str, Tensor] = {}
    world = distributed.world_size()
    for name, lost in LOST.items():
        part = range(distributed.rank() * B // world, (distributed.rank() + 1) * B // world)
        own = torch.tensor([row for row in part if row not in lost], dtype=torch.long)
        for loss in ("softmax", "sigmoid"):
            model = small(loss).double()
            rows = _inputs(batch())
            embeddings = no_embeddings(model)
            if len(own):
                embeddings = Embeddings(*(_double(model, kind, rows)[own] for kind in ("image", "text")))
            value = pair_loss(model, embeddings)
            value.backward()
            distributed.average_gradients(list(model.parameters()))
            found[f"{name}:{loss}"] = distributed.mean_over_ranks(value.detach())
            found |= {f"{name}:{loss}:{n}": p.grad for n, p in model.named_parameters() if p.grad is not None}
    return found


def test_ranks_with_rows_that_cannot_be_used_train_as_one_rank_would(tmp_path: Path) -> None:
    alone = _gradients_with_lost_rows()
    for found in run_ranks(_gradients_with_lost_rows, tmp_path, W):
        assert all(torch.allclose(found[name], alone[name], rtol=2e-6, atol=1e-9) for name in alone)
    assert alone["all rows:softmax"] == 0


def test_an_objective_without_a_pair_yields_a_loss_of_zero() -> None:
    given = {name: value[:0] for name, value in batch().items()}
    for chunks in (1, 2):
        context = StepContext(step=0, config=toy_config(), device=torch.device("cpu"))
        (loss,) = chunked_objective(chunks)(small("softmax"), given, context)
        loss.value.backward()
        assert loss.value == 0
        assert torch.isnan(torch.as_tensor(loss.metrics["batch_accuracy"]))


def _double(model: CLIP, kind: str, rows: dict[str, Tensor]) -> Tensor:
    if kind == "text":
        return F.normalize(model.text(rows["tokens"]), dim=-1)
    return F.normalize(model.image((rows["images"].double() - 128) / 64), dim=-1)


def test_two_ranks_have_the_loss_and_gradients_of_one_rank_with_the_whole_batch(tmp_path: Path) -> None:
    alone = _gradients_of_a_rank()
    ranks = run_ranks(_gradients_of_a_rank, tmp_path, W)
    for name, expected in alone.items():
        if not name.startswith("gather"):
            for found in ranks:
                assert torch.allclose(found[name], expected, rtol=2e-6, atol=1e-9), name
    assert ranks[0]["gathered"].tolist() == [0, 1, 2, 0, 2, 4]
    assert ranks[0]["gather_grad"].tolist() == [3, 3, 3]
    assert ranks[1]["gather_grad"].tolist() == [6, 6, 6]
