"""The frozen language model: causal, equal to PyTorch's blocks, and the same after it is saved and loaded."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from corpusloom.trainers.flamingo.config import LanguageModelConfig
from corpusloom.trainers.flamingo.language_model import (
    BOS,
    EOS,
    PAD,
    LanguageBlock,
    LanguageModel,
    load,
    save,
    train_tokenizer,
)

SHAPE = LanguageModelConfig(vocab_size=50, context=12, layers=2, width=16, heads=2)


@pytest.fixture
def model() -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(SHAPE).eval()


def test_a_token_depends_on_the_tokens_before_it_only(model: LanguageModel) -> None:
    tokens = torch.randint(0, 50, (2, 9))
    before = model(tokens)
    tokens[:, 5] = (tokens[:, 5] + 1) % 50
    after = model(tokens)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])
    assert before.shape == (2, 9, 50)


def test_a_block_is_a_pre_norm_transformer_block_of_pytorch() -> None:
    torch.manual_seed(0)
    block = LanguageBlock(16, 2).double()
    theirs = torch.nn.TransformerEncoderLayer(
        16, 2, 64, dropout=0.0, activation=F.gelu, batch_first=True, norm_first=True, dtype=torch.double
    )
    theirs.self_attn.in_proj_weight.data.copy_(block.qkv.weight)
    theirs.self_attn.in_proj_bias.data.copy_(block.qkv.bias)
    for own, other in (
        (block.output, theirs.self_attn.out_proj),
        (block.up, theirs.linear1),
        (block.down, theirs.linear2),
        (block.norm_attention, theirs.norm1),
        (block.norm_ffw, theirs.norm2),
    ):
        other.load_state_dict(own.state_dict())
    stream = torch.randn(3, 7, 16, dtype=torch.double)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(7, dtype=torch.double)
    torch.testing.assert_close(block(stream), theirs(stream, src_mask=mask, is_causal=True))


def test_the_head_is_the_embedding_and_every_parameter_gets_a_gradient(model: LanguageModel) -> None:
    stream = torch.randn(1, 3, 16)
    assert torch.equal(model.head(stream), stream @ model.embedding.weight.T)
    model(torch.arange(12)[None]).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_positions_tell_equal_tokens_apart(model: LanguageModel) -> None:
    torch.nn.init.normal_(model.positions)
    embedded = model.add_positions(model.embed(torch.zeros(1, 3, dtype=torch.long)))
    assert torch.equal(
        embedded[0, 2] - embedded[0, 0], (model.embedding.weight[0] + model.positions[2]) - embedded[0, 0]
    )
    assert not torch.allclose(embedded[0, 0], embedded[0, 1])


def test_a_saved_model_is_the_same_in_half_precision(model: LanguageModel, tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["a red star"] * 3, 300)
    save(str(tmp_path), model, tokenizer)
    loaded, same = load(str(tmp_path))
    assert loaded.config == SHAPE
    assert not loaded.training
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float()), name
    assert same.encode("a red star").ids == tokenizer.encode("a red star").ids


def test_a_tokenizer_begins_with_its_special_tokens_and_gives_texts_back() -> None:
    tokenizer = train_tokenizer(["a red star on a grey ground"] * 4, 300)
    assert [tokenizer.token_to_id(name) for name in (PAD, BOS, EOS)] == [0, 1, 2]
    text = "two blue rings, ünknown"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_the_bundled_model_finds_its_own_world_likelier_than_noise() -> None:
    model, tokenizer = load()

    def loss(text: str) -> float:
        tokens = torch.tensor([[tokenizer.token_to_id(BOS), *tokenizer.encode(text).ids]])
        return float(F.cross_entropy(model(tokens)[0, :-1], tokens[0, 1:]).detach())

    assert model.vocab_size == 1024
    assert loss("two large red stars on a striped brown ground") + 1 < loss("stars brown a striped on two ground red")
