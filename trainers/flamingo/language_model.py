"""A small causal language model, frozen in Flamingo: pre-norm blocks, tied head, learned positions.

Shapes: B batch, L tokens, D width, V vocabulary.
"""

import json
from dataclasses import asdict
from importlib import resources

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional as F

from corpusloom.schemas import config as tables
from corpusloom.schemas import storage
from corpusloom.trainers.flamingo.config import BUNDLED, LanguageModelConfig

BOS, EOS, PAD = "<BOS>", "<EOS>", "<PAD>"
WEIGHTS, TOKENIZER, CONFIG = "model.safetensors", "tokenizer.json", "config.json"


class LanguageBlock(nn.Module):
    """Pre-norm causal self-attention and feed-forward, (B, L, D) -> (B, L, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_ffw = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, stream: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(self.norm_attention(stream)).chunk(3, -1)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        stream = stream + self.output(mixed.transpose(1, 2).flatten(2))
        return stream + self.down(F.gelu(self.up(self.norm_ffw(stream))))


class LanguageModel(nn.Module):
    """Tokens -> logits; its parts are public because Flamingo puts layers between its blocks."""

    def __init__(self, config: LanguageModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.positions = nn.Parameter(torch.zeros(config.context, config.width))
        self.blocks = nn.ModuleList(LanguageBlock(config.width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    @property
    def width(self) -> int:
        """Width of the tokens, D."""
        return self.config.width

    @property
    def vocab_size(self) -> int:
        """Number of token ids, V."""
        return self.config.vocab_size

    def embed(self, tokens: Tensor) -> Tensor:
        """(B, L) -> (B, L, D), without positions."""
        return self.embedding(tokens)

    def add_positions(self, embedded: Tensor) -> Tensor:
        """Add the position embeddings to a sequence that begins at position 0."""
        return embedded + self.positions[: embedded.shape[1]]

    def head(self, stream: Tensor) -> Tensor:
        """(B, L, D), normalised -> (B, L, V)."""
        return F.linear(stream, self.embedding.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L) -> (B, L, V)."""
        stream = self.add_positions(self.embed(tokens))
        for block in self.blocks:
            stream = block(stream)
        return self.head(self.norm(stream))


def train_tokenizer(texts: list[str], vocab_size: int) -> Tokenizer:
    """Return a byte-level BPE trained on texts; its first ids are <PAD>, <BOS> and <EOS>."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save(folder: str, model: LanguageModel, tokenizer: Tokenizer) -> None:
    """Write weights (float16), tokenizer and configuration into a folder."""
    state = {name: value.detach().half().contiguous() for name, value in model.state_dict().items()}
    storage.write_bytes(storage.join(folder, WEIGHTS), dump_tensors(state))
    storage.write_bytes(storage.join(folder, TOKENIZER), tokenizer.to_str().encode())
    storage.write_bytes(storage.join(folder, CONFIG), (json.dumps(asdict(model.config), indent=1) + "\n").encode())


def load(name: str = BUNDLED) -> tuple[LanguageModel, Tokenizer]:
    """Return the bundled language model and its tokenizer, or those of a folder."""
    folder = str(resources.files("corpusloom.trainers.flamingo") / "weights") if name == BUNDLED else name
    values = json.loads(storage.read_bytes(storage.join(folder, CONFIG)))
    model = LanguageModel(tables.build(LanguageModelConfig, values, where=folder))
    if model.positions.device.type != "meta":  # on the meta device a model is only counted
        state = load_tensors(storage.read_bytes(storage.join(folder, WEIGHTS)))
        model.load_state_dict({key: value.float() for key, value in state.items()})
    tokenizer = Tokenizer.from_str(storage.read_bytes(storage.join(folder, TOKENIZER)).decode())
    return model.eval(), tokenizer
