"""Trains the block classifier on WCXB's development split: `python -m benchmarks.train_block_classifier --wcxb PATH`.

It cross-validates by domain (pages of a domain look alike), prints word-level F1 per page type on held-out domains,
then trains on all pages and writes the weights that `extract.content.classifier` reads.
"""

import dataclasses
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from torch import Tensor, nn

from benchmarks.block_labels import labels
from benchmarks.wcxb import ReferencePage, by_type, fold_of, pages, tokens, word_f1
from corpusloom.pipelines.extract.content import assembly, classifier, features, selection
from corpusloom.pipelines.extract.reading import source
from corpusloom.pipelines.extract.reading.fast_walk.walk import fast_walk
from corpusloom.pipelines.extract.reading.types import ExtractConfig

_MAX_RUNS = 1500
_WEIGHTS = Path(classifier.__file__).with_name("block_classifier.npz")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Settings of the training."""

    wcxb: Path
    """Folder of the unpacked split: html/ and ground-truth/."""
    folds: int = 5
    """Folds of the cross-validation, by domain; 0 skips it."""
    epochs: int = 8
    """Passes over the pages."""
    members: int = 1
    """Number of networks whose outputs are averaged; each one adds to the time per page."""
    width: int = 48
    """Width of the hidden layers."""
    dropout: float = 0.3
    """Share of hidden values dropped."""
    rate: float = 2e-3
    """Peak learning rate of the one-cycle schedule."""
    decay: float = 1e-3
    """AdamW's weight decay."""
    batch: int = 8
    """Pages per step."""
    out: Path = _WEIGHTS
    """Path of the weights to write."""
    folds_out: Path | None = None
    """Folder for the weights of each fold (0.npz ...), with which benchmarks/extract.py measures held-out domains."""


@dataclass(slots=True)
class Example:
    """One page as the network's input; lengths are words per text run."""

    kind: str
    domain: str
    texts: list[str]
    words: list[list[str]]
    reference: list[str]
    numbers: np.ndarray
    spans: np.ndarray
    labels: np.ndarray


class Network(nn.Module):
    """Dense layer, two convolutions along the page, means over spans of it: (n, F), (n, 4, 2) -> (n,) logits.

    `corpusloom.pipelines.extract.content.classifier.forward` computes the same in numpy from the same parameter names.
    """

    def __init__(self, inputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.near = nn.Conv1d(width, width, 5, padding=2)
        self.far = nn.Conv1d(width, width, 5, padding=6, dilation=3)
        self.around = nn.Linear(width * features.POOLED, width)
        self.leave = nn.Linear(width, 32)
        self.logit = nn.Linear(32, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, numbers: Tensor, spans: Tensor, mask: Tensor) -> Tensor:
        """Return the logits, (n, F), (n, 1) -> (n,); `mask` is zero on the rows that separate the pages of a batch."""
        hidden = self.dropout(F.relu(self.enter(numbers))) * mask
        for layer in (self.near, self.far):
            hidden = hidden + self.dropout(F.relu(layer(hidden.T[None])[0].T)) * mask
        sums = F.pad(hidden.cumsum(0), (0, 0, 1, 0))
        counts = (spans[..., 1] - spans[..., 0]).clamp(min=1)
        means = (sums[spans[..., 1]] - sums[spans[..., 0]]) / counts[..., None]
        hidden = hidden + self.dropout(F.relu(self.around(means.flatten(1)))) * mask
        return self.logit(F.relu(self.leave(hidden)))[:, 0]


def example(page: ReferencePage) -> Example | None:
    """Return a page's features and labels, or None if it has no text runs."""
    config = ExtractConfig()
    prepared, _charset, _cut = source.prepare(page.html, None, config)
    raw = fast_walk(prepared, page.url, config)
    runs = assembly.join_rows(raw)
    if not runs:
        return None
    selection.clear_layout_flags(runs)
    seen = features.features_of(raw, runs)
    texts = [run.text for run in runs]
    words = [tokens(text) for text in texts]
    return Example(
        page.kind, page.domain, texts, words, tokens(page.text), seen.numbers, seen.spans, labels(words, page.text)
    )


def joined(batch: list[Example], mean: np.ndarray, scale: np.ndarray) -> dict[str, Tensor]:
    """Return a batch of pages as one long page, with rows of zeros between them."""
    gap, at = 8, 0
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("numbers", "spans", "mask", "y", "length", "page")}
    for index, item in enumerate(batch):
        count = min(len(item.texts), _MAX_RUNS)
        rows = count + gap
        columns["numbers"].append(_padded(classifier.standardised(item.numbers[:count], mean, scale), rows))
        columns["spans"].append(_padded(np.minimum(item.spans[:count], count) + at, rows))
        columns["mask"].append(_padded(np.ones((count, 1), np.float32), rows))
        columns["y"].append(_padded(item.labels[:count], rows))
        columns["length"].append(_padded(np.array([len(text) for text in item.words[:count]], np.float32), rows))
        columns["page"].append(np.full(rows, index))
        at += rows
    return {name: torch.from_numpy(np.concatenate(values)) for name, values in columns.items()}


def _padded(values: np.ndarray, rows: int) -> np.ndarray:
    return np.pad(values, [(0, rows - len(values)), *[(0, 0)] * (values.ndim - 1)])


def loss_of(logits: Tensor, batch: dict[str, Tensor], references: Tensor) -> Tensor:
    """Return 1 - soft word F1 per page, plus half a cross-entropy that weights texts by the root of their words."""
    probability, y, length, page = logits.sigmoid(), batch["y"], batch["length"], batch["page"]

    def total(values: Tensor) -> Tensor:
        return torch.zeros(len(references)).index_add(0, page, values)

    reachable = torch.minimum(references, total(y * length)) + 1
    overlap = total(probability * y * length)
    soft = 1 - (2 * overlap + 1) / (total(probability * length) + reachable + 1)
    weight = (length + 0.5).sqrt() * (length > 0)
    entropy = F.binary_cross_entropy_with_logits(logits, y, reduction="none") * weight
    return (soft + 0.5 * total(entropy) / (total(weight) + 1e-6)).mean()


def train(examples: list[Example], config: TrainConfig, rng_seed: int) -> classifier.Weights:
    """Train one network and return its weights."""
    torch.manual_seed(rng_seed)
    order = np.random.default_rng(rng_seed)
    stacked = np.vstack([item.numbers[:_MAX_RUNS] for item in examples])
    mean, scale = stacked.mean(0), stacked.std(0) + 1e-3
    network = Network(stacked.shape[1], config.width, config.dropout)
    del stacked
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=config.decay)
    steps = config.epochs * -(-len(examples) // config.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, total_steps=steps + 1)
    for _epoch in range(config.epochs):
        places = order.permutation(len(examples))
        for start in range(0, len(places), config.batch):
            chosen = [examples[place] for place in places[start : start + config.batch]]
            batch = joined(chosen, mean, scale)
            references = torch.tensor([float(len(item.reference)) for item in chosen])
            loss = loss_of(network(batch["numbers"], batch["spans"], batch["mask"]), batch, references)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    parameters = {name: value.detach().numpy().copy() for name, value in network.state_dict().items()}
    return classifier.Weights(mean=mean, scale=scale, parameters=parameters)


def scores(examples: list[Example], members: list[classifier.Weights]) -> list[tuple[str, float]]:
    """Return (page type, word F1) of each page."""
    found = []
    for item in examples:
        probabilities = classifier.probabilities(features.Features(item.numbers, item.spans), members)
        lengths = np.array([len(text) for text in item.texts], np.float32)
        kept = classifier.kept(probabilities, lengths)
        words = [word for text, keep in zip(item.words, kept, strict=True) if keep for word in text]
        found.append((item.kind, word_f1(words, item.reference)))
    return found


def cross_validate(examples: list[Example], config: TrainConfig) -> list[tuple[str, float]]:
    """Return (page type, F1) of each page by networks trained on other domains; print each fold's means."""
    found: list[tuple[str, float]] = []
    for fold in range(config.folds):
        seen = [item for item in examples if fold_of(item.domain, config.folds) != fold]
        unseen = [item for item in examples if fold_of(item.domain, config.folds) == fold]
        members = [train(seen, config, rng_seed) for rng_seed in range(config.members)]
        found += scores(unseen, members)
        if config.folds_out:
            config.folds_out.mkdir(parents=True, exist_ok=True)
            classifier.save(members, config.folds_out / f"{fold}.npz")
        print(f"fold {fold}", _line(scores(unseen, members)), flush=True)
    return found


def _line(values: list[tuple[str, float]]) -> str:
    return " ".join(f"{kind} {score:.3f}" for kind, score in by_type(values).items())


def main(config: TrainConfig) -> None:
    """Read the pages, cross-validate, train on all of them, write the weights."""
    torch.set_num_threads(1)
    examples = [item for page in pages(config.wcxb) if (item := example(page))]
    print(f"{len(examples)} pages, {dict(Counter(item.kind for item in examples))}", flush=True)
    if config.folds:
        print("cross-validated", _line(cross_validate(examples, config)), flush=True)
    members = [train(examples, config, rng_seed) for rng_seed in range(config.members)]
    classifier.save(members, config.out)
    print(f"wrote {config.out} ({config.out.stat().st_size:,} bytes), {dataclasses.asdict(config)}")


if __name__ == "__main__":
    main(tyro.cli(TrainConfig))
