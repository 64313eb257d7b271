"""Reads the CLIP of a path for the command line's builds of datasets: on the CPU, in batches of a fixed size."""

from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.embedding.encoder import Encoder
from corpusloom.trainers.jobs.embed import check_family

BATCH = 16
"""Images or texts per forward pass: small, since the last batch is padded, and it fits a core's cache."""


def load_encoder(path: str) -> Encoder:
    """Return the CLIP of a run, a checkpoint or a model folder, as an encoder; ConfigError for another family."""
    check_family(path)
    model, tokenizer = load_clip(path)
    return Encoder(model, tokenizer, path=path, batch_size=BATCH)
