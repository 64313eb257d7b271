"""Pre-trains the small language model on texts: `python -m corpusloom.trainers.flamingo.pretrain TEXTS OUT`.

TEXTS is a file with one JSON string per line (`python -m corpusloom.pipelines.demo.texts` prints the bundled world's).
"""

import json
import sys

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn import functional as F

from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.flamingo.config import LanguageModelConfig
from corpusloom.trainers.flamingo.language_model import BOS, EOS, LanguageModel, save, train_tokenizer

STEPS, BATCH, LR, WARMUP = 450, 16, 3e-3, 50


def token_stream(texts: list[str], tokenizer: Tokenizer) -> np.ndarray:
    """Return the ids of all texts in one array, each text between <BOS> and <EOS>."""
    bos, eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
    encoded = tokenizer.encode_batch(texts)
    return np.concatenate([np.array([bos, *item.ids, eos], np.int64) for item in encoded])


def pretrain(texts: list[str], out: str, config: LanguageModelConfig, steps: int = STEPS) -> float:
    """Train on texts and save into a folder; return the last loss, in nats per token."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    tokenizer = train_tokenizer(texts, config.vocab_size)
    stream = token_stream(texts, tokenizer)
    model = LanguageModel(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, betas=(0.9, 0.95), weight_decay=0.1)
    loss = torch.zeros(())
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = LR * min((step + 1) / WARMUP, 0.5 * (1 + float(np.cos(np.pi * step / steps))))
        starts = rng.integers(0, len(stream) - config.context - 1, BATCH)
        rows = torch.from_numpy(np.stack([stream[start : start + config.context + 1] for start in starts]))
        loss = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step} of {steps}: {loss.item():.3f} nats per token", file=sys.stderr)
    save(out, model, tokenizer)
    return loss.item()


def main() -> None:
    """Pre-train from the command line's TEXTS into OUT, and print the last loss."""
    if len(sys.argv) != 3:
        raise ConfigError("usage: python -m corpusloom.trainers.flamingo.pretrain TEXTS OUT")
    lines = storage.read_bytes(sys.argv[1]).decode().splitlines()
    print(pretrain([json.loads(line) for line in lines], sys.argv[2], LanguageModelConfig()))


if __name__ == "__main__":
    main()
