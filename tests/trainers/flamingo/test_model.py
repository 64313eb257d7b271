"""Flamingo's trained layers: no effect at the start, one image per token, frozen parts that stay frozen."""

import copy
import dataclasses
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from corpusloom.trainers.flamingo.config import FlamingoConfig
from corpusloom.trainers.flamingo.model import DecodingCache, Flamingo
from corpusloom.trainers.lm import adapter
from corpusloom.trainers.training.config import ParallelConfig
from corpusloom.trainers.training.parallel import parallelize
from tests.trainers.lm.tiny import SHAPES, tiny

SHAPE = FlamingoConfig(
    resampler_layers=2, latents=3, resampler_heads=2, resampler_head_width=4, frames=4, every=2, heads=2, head_width=4
)


class Eyes(nn.Module):
    """A frozen encoder whose grid is a linear function of the pixels."""

    grid_width, size = 12, 8

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 16, 12)

    def grid(self, images: Tensor) -> Tensor:
        """(B, 3, 8, 8) -> (B, 4, 12)."""
        parts = images.float().unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        return self.linear((parts / 255).to(self.linear.weight.dtype))

    def block_names(self) -> list[str]:
        """Return no name: it is too small to be divided."""
        return []


@pytest.fixture
def model() -> Flamingo:
    """Return a small Flamingo with fresh weights."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return Flamingo(SHAPE, Eyes(), tiny()).eval()


def open_gates(model: Flamingo) -> None:
    """Open the gates, so that images enter the language model."""
    for block in model.gated:
        nn.init.constant_(block.attention_gate, 0.5)
        nn.init.constant_(block.ffw_gate, 0.5)


def inputs(batch: int = 2, images: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Return tokens, pixels and phi: five tokens that see no image, then five per image."""
    tokens = torch.randint(0, 50, (batch, 5 + 5 * images))
    phi = torch.arange(tokens.shape[1]).div(5, rounding_mode="floor").expand(batch, -1)
    return tokens, torch.randint(0, 256, (batch, images, 1, 3, 8, 8), dtype=torch.uint8), phi


@pytest.mark.parametrize("family", SHAPES)
def test_at_the_start_the_logits_are_the_language_models_to_the_bit(family: str) -> None:
    torch.manual_seed(0)
    language = tiny(family)
    bare = copy.deepcopy(language)
    model = Flamingo(SHAPE, Eyes(), language).eval()
    tokens, images, phi = inputs()
    logits = model(tokens, model.encode_images(images), phi)
    assert torch.equal(logits[..., :-1], bare.network(input_ids=tokens).logits)
    assert logits.shape[-1] == model.eoc + 1


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("family", SHAPES)
def test_a_language_model_in_bf16_is_equal_at_the_start_too_and_images_have_a_gradient(
    family: str, autocast: bool
) -> None:
    torch.manual_seed(0)
    language = adapter.fresh(adapter.make_config(SHAPES[family], "tests"), torch.bfloat16).eval()
    bare = copy.deepcopy(language)
    model = Flamingo(SHAPE, Eyes(), language)
    tokens, images, phi = inputs()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        assert torch.equal(model(tokens, model.encode_images(images), phi)[..., :-1], bare(tokens))
        open_gates(model)
        model(tokens, model.encode_images(images), phi).float().square().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in model.resampler.layers.parameters())


@pytest.mark.parametrize("family", SHAPES)
def test_padding_on_either_side_changes_no_logit_of_a_text(family: str) -> None:
    torch.manual_seed(0)
    model = Flamingo(SHAPE, Eyes(), tiny(family)).eval()
    open_gates(model)
    tokens, images, phi = inputs()
    visual = model.encode_images(images)
    alone = model(tokens[:1, 5:], visual[:1], phi[:1, 5:])
    for before, after in ((5, 0), (0, 5), (2, 3)):
        padded, real = torch.zeros(2, 2, 15, dtype=torch.long).unbind()
        padded[0, before : 15 - after], real[0, before : 15 - after] = tokens[0, 5:], 1
        sees = torch.zeros(2, 15, dtype=torch.long)
        sees[0, before : 15 - after] = phi[0, 5:]
        padded[1], real[1], sees[1] = tokens[1], 1, phi[1]
        logits = model(padded, visual, sees, real.bool())
        torch.testing.assert_close(logits[0, before : 15 - after], alone[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(logits[1], model(tokens, visual, phi)[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", SHAPES)
def test_recomputed_and_interleaved_passes_have_the_same_gradients(family: str) -> None:
    torch.manual_seed(0)
    model = Flamingo(SHAPE, Eyes(), tiny(family)).train()
    open_gates(model)

    def gradients() -> dict[str, Tensor]:
        torch.manual_seed(1)
        first, second = inputs(), inputs(images=1)
        model.zero_grad()
        losses = [
            model(tokens, model.encode_images(images), phi).square().sum() for tokens, images, phi in (first, second)
        ]
        sum(losses).backward()  # type: ignore[union-attr]
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    kept = gradients()
    for block in [*model.language.layers, *model.gated]:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)  # type: ignore[method-assign]
    again = gradients()
    assert kept.keys() == again.keys() >= {name for name, _ in model.gated.named_parameters("gated")}
    assert all(torch.equal(value, again[name]) for name, value in kept.items())


def test_blocks_that_are_compiled_and_recomputed_give_the_same_logits_and_gradients() -> None:
    torch.manual_seed(0)
    model = Flamingo(SHAPE, Eyes(), tiny("llama", num_hidden_layers=1)).train()
    open_gates(model)
    tokens, images, phi = inputs()

    def run(divided: Flamingo) -> tuple[Tensor, list[Tensor | None]]:
        logits = divided(tokens, divided.encode_images(images), phi)
        logits.square().sum().backward()
        return logits, [parameter.grad for parameter in divided.parameters() if parameter.requires_grad]

    settings = ParallelConfig(compile=True, compile_backend="aot_eager", activation_checkpointing=True)
    compiled = parallelize(copy.deepcopy(model), settings)
    assert isinstance(compiled, Flamingo)
    torch.testing.assert_close(run(compiled), run(model), atol=1e-5, rtol=1e-5)


def test_a_copied_model_has_gated_blocks_of_its_own(model: Flamingo) -> None:
    other = copy.deepcopy(model)
    open_gates(other)
    tokens, images, phi = inputs()
    visual = model.encode_images(images)
    assert not torch.equal(other(tokens, visual, phi), model(tokens, visual, phi))
    assert torch.equal(other.gated[0].attention_gate, torch.full((1,), 0.5))
    assert model.gated[0].attention_gate.item() == 0


def test_at_the_start_gates_have_a_gradient_and_layers_behind_them_have_none(model: Flamingo) -> None:
    tokens, images, phi = inputs()
    model(tokens, model.encode_images(images), phi)[..., :-1].square().sum().backward()
    block = model.gated[0]
    assert block.attention_gate.grad is not None
    assert block.attention_gate.grad.abs() > 0
    assert block.attention.output.weight.grad.abs().max() == 0
    assert all(p.grad is None for p in [*model.language.parameters(), *model.vision.parameters()])


@pytest.mark.parametrize("image", [0, 1, 2])
def test_a_changed_image_moves_no_logit_before_its_tag_and_every_later_one(model: Flamingo, image: int) -> None:
    """Tokens of later images move too, since the language model's self-attention carries the change (section 2.3)."""
    open_gates(model)
    tokens, images, phi = inputs(images=3)
    before = model(tokens, model.encode_images(images), phi)
    images[:, image] = 255 - images[:, image]
    after = model(tokens, model.encode_images(images), phi)
    tag = 5 + 5 * image
    assert torch.equal(before[:, :tag], after[:, :tag])
    assert ((before[:, tag:] - after[:, tag:]).abs().amax(-1) > 1e-6).all()


def test_frozen_parts_stay_in_evaluation_mode_and_out_of_the_optimiser(model: Flamingo) -> None:
    model.train()
    assert not model.language.training
    assert not model.vision.training
    assert model.gated.training
    trained = {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"resampler", "gated", "end_of_chunk"}


def test_only_the_embedding_of_end_of_chunk_is_trained(model: Flamingo) -> None:
    tokens = torch.tensor([[1, model.eoc, 3]])
    embedded = model.embed(tokens)
    assert torch.equal(embedded[0, 1], model.end_of_chunk[0])
    assert torch.equal(embedded[0, 0], model.language.embedding.weight[1])


def test_gated_blocks_stand_before_every_second_block(model: Flamingo) -> None:
    assert len(model.gated) == 2
    assert len(Flamingo(SHAPE, Eyes(), tiny(n_layer=3)).gated) == 2


@pytest.mark.parametrize("family", SHAPES)
def test_logits_of_a_text_read_in_pieces_are_those_of_the_whole(family: str) -> None:
    torch.manual_seed(0)
    model = Flamingo(SHAPE, Eyes(), tiny(family)).eval()
    open_gates(model)
    tokens, images, phi = inputs()
    visual, real = model.encode_images(images), torch.ones_like(tokens, dtype=torch.bool)
    real[0, :4] = False
    whole, cache = model(tokens, visual, phi, real), DecodingCache()
    pieces = [
        model(tokens[:, start:end], visual, phi[:, start:end], real[:, :end], cache)
        for start, end in ((0, 8), (8, 9), (9, 15))
    ]
    torch.testing.assert_close(torch.cat(pieces, 1)[real], whole[real], atol=1e-5, rtol=0)
    assert set(cache.images) == {0, 1}


@pytest.mark.parametrize(("change", "trained"), [({"gate": "none"}, "gated"), ({"pool": "mean"}, "resampler")])
def test_a_model_without_gates_or_resampler_reads_images_and_trains(change: dict[str, str], trained: str) -> None:
    torch.manual_seed(0)
    model = Flamingo(dataclasses.replace(SHAPE, **change), Eyes(), tiny()).train()
    if "pool" in change:
        open_gates(model)
    tokens, images, phi = inputs()
    visual = model.encode_images(images)
    model(tokens, visual, phi).square().sum().backward()
    assert visual.shape[2] == (1 if "pool" in change else SHAPE.latents)
    assert not any(name.endswith("_gate") for name, _ in model.named_parameters()) or "pool" in change
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in getattr(model, trained).parameters())
    assert model.plan().blocks
