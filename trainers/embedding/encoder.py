"""A CLIP as a function from images and texts to float16 embeddings, in batches of fixed shapes.

Every forward pass has `batch_size` rows, and the padded length of a text depends on its own tokens only. So an
embedding does not depend on the other rows of its batch, on the number of threads or on the number of ranks.

Shapes: N images or texts, B rows of a batch, S tokens, E embedding, H = W the tower's input size.
"""

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from corpusloom.schemas.images.embeddings.manifest import EmbeddingModel
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.tokens.of_model import CaptionTokenizer
from corpusloom.trainers.training.numerics import autocast

LENGTHS = 8
"""Texts are padded to a multiple of this number of tokens, at most to the context."""


class Encoder:
    """A CLIP on a device, in one precision; safe for threads."""

    def __init__(
        self, model: CLIP, tokenizer: CaptionTokenizer, *, path: str, precision: str = "fp32", batch_size: int = 64
    ) -> None:
        self.batch_size = batch_size
        self._model, self._tokenizer, self._precision = model.eval(), tokenizer, precision
        self._model.text.trim = False  # `texts` pads each text by its own length, not by the longest of a batch
        self._device = model.logit_scale.device
        self._lock = threading.Lock() if self._device.type != "cpu" else contextlib.nullcontext()
        self.identity = EmbeddingModel(
            family="clip",
            path=path,
            digest=model_digest(model, tokenizer),
            width=model.config.embed_dim,
            image_size=model.config.image.size,
            dtype=precision,
        )

    def prepare(self, data: bytes) -> np.ndarray:
        """Return an encoded image as the model sees it: -> (3, H, W) uint8; ImageError if it cannot be decoded."""
        shape = self._model.config.image
        return evaluation_image(data, shape.size, squash=shape.squashes)

    def images(self, pixels: np.ndarray) -> np.ndarray:
        """Return the embeddings of images: (N, 3, H, W) uint8, N <= batch_size -> (N, E) float16."""
        full = self._padded(torch.from_numpy(pixels))
        with self._forward():
            return _half(self._model.encode_image(full.to(self._device)), len(pixels))

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings of texts: (N, E) float16."""
        rows = self._tokenizer.rows(texts)
        found = np.zeros((len(texts), self._model.config.embed_dim), np.float16)
        for numbers, length in self._groups(rows):
            full = self._padded(torch.from_numpy(rows[numbers, :length]))
            with self._forward():
                found[numbers] = _half(self._model.encode_text(full.to(self._device)), len(numbers))
        return found

    def _groups(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """Yield the rows of each padded length in groups of at most `batch_size`: their numbers, and the length.

        If the tower attends to padding, the length of every text is the context.
        """
        used = rows.shape[1] - np.argmax(rows[:, ::-1] != 0, 1)
        if self._model.text.reads_padding:
            used[:] = rows.shape[1]
        lengths = np.minimum(-(-used // LENGTHS) * LENGTHS, rows.shape[1])
        for length in np.unique(lengths).tolist():
            numbers = np.flatnonzero(lengths == length)
            for first in range(0, len(numbers), self.batch_size):
                yield numbers[first : first + self.batch_size], length

    def _padded(self, rows: Tensor) -> Tensor:
        """Repeat the last row until there are `batch_size`."""
        return torch.cat([rows, rows[-1:].expand(self.batch_size - len(rows), *rows.shape[1:])])

    @contextlib.contextmanager
    def _forward(self) -> Iterator[None]:
        with self._lock, torch.inference_mode(), autocast(self._precision, self._device):
            yield


def _half(embeddings: Tensor, rows: int) -> np.ndarray:
    return embeddings[:rows].half().cpu().numpy()


def model_digest(model: CLIP, tokenizer: CaptionTokenizer) -> str:
    """Return the sha256 over a model's weights, vocabulary, and the settings on which its embeddings also depend.

    It is equal for the same model in another layout, and does not change when its configuration gets new keys.
    """
    config = model.config
    beside = {
        "size": config.image.size,
        "heads": [config.image.heads, config.text.heads],
        "activation": config.activation,
        "squashes": config.image.squashes,
    }
    digest = hashlib.sha256(json.dumps(beside, sort_keys=True).encode())
    digest.update(tokenizer.to_bytes())
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}  # also the normalisation of pixels
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}:".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
