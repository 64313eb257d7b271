"""A causal language model of the transformers library behind one interface: GPT-2, OPT, Llama, GPT-NeoX, Qwen ...

Shapes: B sequences, L tokens, D width of the embeddings, V token ids.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache, PretrainedConfig, PreTrainedModel

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training.parallel import ParallelPlan

TENSOR_STYLES = ("colwise", "rowwise")


class CausalLM(nn.Module):
    """Tokens -> logits. The library's own code computes them; layers, embedding and head have a name here."""

    def __init__(self, network: PreTrainedModel) -> None:
        super().__init__()
        self.network = network
        self._layers = find_layers(network)

    @property
    def config(self) -> PretrainedConfig:
        """Configuration of the network, as in its config.json."""
        return self.network.config

    @property
    def layers(self) -> nn.ModuleList:
        """Decoder layers, in order."""
        found = self.network.get_submodule(self._layers)
        assert isinstance(found, nn.ModuleList)
        return found

    def layer_names(self) -> tuple[str, ...]:
        """Return the names of the decoder layers in this module."""
        return tuple(f"network.{self._layers}.{number}" for number in range(len(self.layers)))

    @property
    def embedding(self) -> nn.Module:
        """Module that turns tokens into embeddings, (B, L) -> (B, L, D)."""
        return self.network.get_input_embeddings()

    @property
    def head(self) -> nn.Module:
        """Linear layer from the last states to the logits."""
        return self.network.get_output_embeddings()

    @property
    def tied(self) -> bool:
        """Whether the head has the embedding's weights."""
        return bool(self.config.tie_word_embeddings)

    @property
    def embedding_width(self) -> int:
        """Width of the embeddings, D; in OPT-350M it is not that of the layers."""
        return self._embedding_weight.shape[1]

    @property
    def width(self) -> int:
        """Width of the states between the layers."""
        return int(self.config.hidden_size)

    @property
    def vocab_size(self) -> int:
        """Rows of the embedding, V; a tokenizer may have fewer ids."""
        return self._embedding_weight.shape[0]

    @property
    def _embedding_weight(self) -> Tensor:
        weight = self.embedding.weight
        assert isinstance(weight, Tensor)
        return weight

    @property
    def context(self) -> int:
        """Longest sequence, in tokens."""
        return context_of(self.config)

    def embed(self, tokens: Tensor) -> Tensor:
        """(B, L) -> (B, L, D), without positions."""
        return self.embedding(tokens)

    def forward(
        self,
        tokens: Tensor | None = None,
        *,
        embedded: Tensor | None = None,
        real: Tensor | None = None,
        cache: Cache | None = None,
        **to_layers: Any,
    ) -> Tensor:
        """(B, L), or its embeddings (B, L, D) -> logits (B, L, V).

        `cache` holds the keys and values of the P tokens before these (P is 0 without one), and gets those of these.
        `real` (B, P + L) is True for tokens and False for padding, on either side; None: no padding before a token.
        Further arguments reach each decoder layer as they are; a pre-hook there must take them out.
        """
        if embedded is None:
            embedded = self.embed(tokens)  # type: ignore[arg-type]
        given: dict[str, Any] = {}
        if real is not None:
            # GPT-2 counts positions from the first column, so that padding on the left would shift those of the text.
            positions = (real.long().cumsum(-1) - 1).clamp(min=0)[:, -embedded.shape[1] :]
            given = {"attention_mask": real.long(), "position_ids": positions}
        elif embedded.device.type == "meta":
            # Without a mask the library reads values of tensors, which there are none of on the meta device.
            length = embedded.shape[1]
            mask = torch.ones(1, 1, length, length, dtype=torch.bool, device="meta")
            given = {"attention_mask": mask, "position_ids": torch.arange(length, device="meta")[None]}
        given |= {"past_key_values": cache, "use_cache": cache is not None}
        return self.network(inputs_embeds=embedded, **given, **to_layers).logits

    def plan(self) -> ParallelPlan:
        """Return how the model is divided: each decoder layer is a unit."""
        return ParallelPlan(blocks=self.layer_names(), tensor=self.tensor_plan(), no_tensor=self.no_tensor())

    def tensor_plan(self) -> Mapping[str, str]:
        """Return {name of a linear layer: colwise or rowwise} of the decoder layers, by the library's own plan.

        Empty if the library has no plan for this architecture (GPT-2, OPT), or one with layers of other kinds.
        """
        rules: Mapping[str, str] = self.config.base_model_tp_plan or {}
        base = f"network.{self.network.base_model_prefix}."
        styles = {
            name: (rules[rule], module)
            for name, module in self.named_modules()
            for rule in rules
            if fnmatchcase(name, base + rule)
        }
        if not all(style in TENSOR_STYLES or _is_frozen_norm(style, module) for style, module in styles.values()):
            return {}
        return {name: style for name, (style, _) in styles.items() if style in TENSOR_STYLES}

    def no_tensor(self) -> str:
        """Return why `tensor_plan` is empty."""
        return f"transformers has no tensor-parallel plan of linear layers for {self.config.model_type}"


def _is_frozen_norm(style: str, module: nn.Module) -> bool:
    """Return whether a layer is whole on each rank and needs no sum of its gradient, as Qwen3's frozen head norms."""
    frozen = not any(parameter.requires_grad for parameter in module.parameters())
    return style == "replicated_with_grad_allreduce" and frozen


def find_layers(network: PreTrainedModel) -> str:
    """Return the name of the list of decoder layers: the outermost module list with one entry per hidden layer."""
    count = getattr(network.config, "num_hidden_layers", None)
    for name, module in network.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return name
    raise ConfigError(
        f"{type(network).__name__} has no list of {count} decoder layers",
        where="language model",
        remedy="use a decoder-only model such as GPT-2, OPT, Llama, GPT-NeoX or Qwen",
    )


def context_of(config: PretrainedConfig) -> int:
    """Return a configuration's longest sequence, in tokens."""
    return int(config.max_position_embeddings)
