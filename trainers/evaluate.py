"""What a checkpoint can do on a dataset: one entry for the command line, whatever the model."""

import io
import tarfile
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch

from schemas import storage
from schemas.errors import ConfigError, InputError
from trainers import checkpoint, registry
from trainers.stream.dataset import StreamingDataset
from trainers.stream.samples import PairSample

RETRIEVAL_LIMIT = 100


def evaluate(kind: str, path: str, data: str, *, limit: int | None = None) -> dict[str, float]:
    """Return the figures of `zero-shot`, `retrieval` or `few-shot` for a checkpoint on a dataset."""
    config = checkpoint.read_config(checkpoint.find(path))
    known = {
        ("zero-shot", "clip"): zero_shot,
        ("retrieval", "clip"): clip_retrieval,
        ("retrieval", "vilbert"): vilbert_retrieval,
        ("few-shot", "flamingo"): captions,
    }
    if (kind, config.family) not in known:
        options = ", ".join(f"{name} for {family}" for name, family in known)
        raise ConfigError(
            f"no {kind} evaluation of a {config.family}", where="loom eval", remedy=f"there are {options}"
        )
    return dict(known[kind, config.family](path, data, limit))


def zero_shot_images(data: str) -> Iterator[tuple[bytes, int]]:
    """Yield (image bytes, class) of a folder in CLIP_benchmark's layout: test/0.tar ... with .jpg and .cls members."""
    shards = storage.expand(storage.join(data, "test", "*.tar"))
    for shard in sorted(shards, key=lambda name: int(name.rsplit("/", 1)[-1].split(".")[0])):
        with tarfile.open(fileobj=io.BytesIO(storage.read_bytes(shard))) as tar:
            held: dict[str, dict[str, bytes]] = {}
            for member in tar:
                key, _, field = member.name.partition(".")
                handle = tar.extractfile(member)
                held.setdefault(key, {})[field] = handle.read() if handle else b""
        for fields in held.values():
            image = next((fields[name] for name in ("jpg", "png", "webp") if name in fields), None)
            if image is None or "cls" not in fields:
                raise InputError("a sample lacks its image or its class", where=shard)
            yield image, int(fields["cls"])


def zero_shot(path: str, data: str, limit: int | None) -> Iterator[tuple[str, float]]:
    """Yield the figures of zero-shot classification."""
    from trainers.clip import evaluation
    from trainers.clip.data import evaluation_image
    from trainers.clip.task import load_clip

    model, tokenizer = load_clip(path)
    names = storage.read_bytes(storage.join(data, "classnames.txt")).decode().splitlines()
    templates = storage.read_bytes(storage.join(data, "zeroshot_classification_templates.txt")).decode().splitlines()
    items = list(islice(zero_shot_images(data), limit))
    pixels = torch.from_numpy(np.stack([evaluation_image(image, model.config.image.size) for image, _ in items]))
    classes = evaluation.class_embeddings(model, tokenizer, names, templates)
    images = evaluation.embed_images(model, pixels.split(128))
    labels = torch.tensor([label for _, label in items])
    yield from evaluation.zero_shot(images, labels, classes)


def pairs_of(data: str, limit: int | None) -> list[Any]:
    """Return the first samples of a dataset, in the order of their keys."""
    stream = StreamingDataset(data, shuffle=False, rank=0, world_size=1)
    return list(islice(stream, limit))


def clip_retrieval(path: str, data: str, limit: int | None) -> Iterator[tuple[str, float]]:
    """Yield R@k of a CLIP, both ways."""
    from trainers.clip import evaluation
    from trainers.clip.data import evaluation_image
    from trainers.clip.task import load_clip

    model, tokenizer = load_clip(path)
    items = pairs_of(data, limit)
    pixels = torch.from_numpy(np.stack([evaluation_image(item.image, model.config.image.size) for item in items]))
    images = evaluation.embed_images(model, pixels.split(128))
    texts = evaluation.embed_texts(model, tokenizer, [item.text for item in items])
    yield from evaluation.retrieval(images, texts, torch.arange(len(items)))


def vilbert_retrieval(path: str, data: str, limit: int | None) -> Iterator[tuple[str, float]]:
    """Yield R@k of a ViLBERT: images by caption."""
    from trainers.vilbert.evaluation import evaluate_batch
    from trainers.vilbert.task import evaluation_batch

    model, config = registry.load_model(path)
    batch = evaluation_batch(path, config, data, limit or RETRIEVAL_LIMIT)
    yield from evaluate_batch(model, batch)  # type: ignore[arg-type]


def captions(path: str, data: str, limit: int | None) -> Iterator[tuple[str, float]]:
    """Yield how often a Flamingo finds a caption likelier with its own image than with another."""
    from trainers.flamingo import evaluation
    from trainers.flamingo.task import evaluation_transform

    model, config = registry.load_model(path)
    transform = evaluation_transform(path, config)
    samples = [item for item in pairs_of(data, limit) if isinstance(item, PairSample)]
    items = evaluation.examples(samples, transform)
    scores = evaluation.caption_log_likelihoods(model, items, transform.vocabulary)  # type: ignore[arg-type]
    yield from evaluation.right_against_wrong(scores)
