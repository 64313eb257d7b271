"""Evaluation of a language model: the likelihood of texts that were not in training."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.evaluation.batches import (
    Evaluation,
    EvaluationSettings,
    Figures,
    ItemSource,
    measure_batches,
)
from corpusloom.trainers.evaluation.figures import mean
from corpusloom.trainers.evaluation.finished import Measured
from corpusloom.trainers.lm.data import join_texts, read_texts, windows
from corpusloom.trainers.lm.model import CausalLM
from corpusloom.trainers.lm.tokenizer import TextTokenizer


def evaluations() -> Mapping[str, Evaluation]:
    """Return the evaluations of a language model by name; they take its tokenizer and sequence length beside it."""
    return {"likelihood": likelihood_of}


def likelihood_of(
    model: CausalLM, tools: tuple[TextTokenizer, int], data: str, settings: EvaluationSettings
) -> Figures:
    """Return the figures of a language model on the first texts of a file."""
    tokenizer, tokens = tools
    ids = join_texts(read_texts(data)[: settings.limit], tokenizer)
    if len(ids) <= tokens:
        remedy = "give more texts, or a larger --limit"
        raise InputError(f"the texts have {len(ids)} tokens, a sequence has {tokens}", where=data, remedy=remedy)
    found = losses_per_sequence(model, ids, tokens, settings)
    return Figures(dict(likelihood(found.tensors["loss"], model.vocab_size)), reused=found.reused)


def losses_per_sequence(model: CausalLM, ids: np.ndarray, tokens: int, settings: EvaluationSettings) -> Measured:
    """Return the mean negative log likelihood per token, "loss", of each sequence that the ids are cut into, (N,)."""
    device = next(model.parameters()).device

    def measure(starts: Sequence[int]) -> dict[str, Tensor]:
        rows = windows(ids, starts, tokens).to(device)
        losses = F.cross_entropy(model(rows[:, :-1]).float().transpose(1, 2), rows[:, 1:], reduction="none")
        return {"loss": losses.mean(1)}

    starts = ItemSource(range(0, len(ids) - tokens, tokens), lambda start: start, str, "texts")
    return measure_batches(starts, measure, settings, device)


def likelihood(losses: Tensor, vocab_size: int) -> Iterator[tuple[str, float]]:
    """Yield nats per token, its interval over sequences, (N,), chance (equal odds for all ids), perplexity and n."""
    yield from mean("nats_per_token", losses, math.log(vocab_size))
    yield "perplexity", math.exp(float(losses.mean()))
    yield "n", float(len(losses))
