"""Visual tokens of the images and clips in prompts, each encoded once.

Shapes: N images per prompt, R visual tokens per image, W visual width.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from corpusloom.trainers.flamingo.model import Flamingo

FRAMES_AT_ONCE = 128
"""Frames that are encoded together."""


class ImageEncoder:
    """Encodes images and clips, and keeps the tokens of the latest ones: shots come again in other prompts.

    An image is known by its array, not by its content.
    """

    def __init__(self, model: Flamingo, kept: int = 0) -> None:
        """`kept` is the number of images whose tokens stay in memory between calls."""
        self._model, self._kept = model, kept
        self._held: OrderedDict[int, tuple[np.ndarray, Tensor]] = OrderedDict()
        """id of an array -> the array, which keeps the id from being used again, and its tokens (R, W)."""

    @torch.no_grad()
    def __call__(self, prompts: Sequence[Sequence[object]]) -> list[Tensor]:
        """Return the visual tokens of each prompt's arrays, (T, 3, S, S) uint8 each, and skip its texts: (N, R, W)."""
        distinct = {id(piece): piece for prompt in prompts for piece in prompt if isinstance(piece, np.ndarray)}
        new = {name: pixels for name, pixels in distinct.items() if name not in self._held}
        for name, pixels, tokens in self._encoded(new):
            self._held[name] = pixels, tokens.clone()  # a view would hold the tokens of its whole batch
        for name in distinct:
            self._held.move_to_end(name)
        none = self._no_image() if not distinct else self._held[next(iter(distinct))][1][None][:0]
        found = [[self._held[id(piece)][1] for piece in prompt if id(piece) in distinct] for prompt in prompts]
        while len(self._held) > self._kept:
            self._held.popitem(last=False)
        return [torch.stack(images) if images else none for images in found]

    def _encoded(self, images: Mapping[int, np.ndarray]) -> Iterator[tuple[int, np.ndarray, Tensor]]:
        """Yield each image with its tokens; those of equal numbers of frames are encoded together."""
        for frames in sorted({len(pixels) for pixels in images.values()}):
            same = [(name, pixels) for name, pixels in images.items() if len(pixels) == frames]
            step = max(1, FRAMES_AT_ONCE // frames)
            for at in range(0, len(same), step):
                part = same[at : at + step]
                visual = self._tokens(np.stack([pixels for _, pixels in part]))
                yield from ((name, pixels, tokens) for (name, pixels), tokens in zip(part, visual, strict=True))

    def _tokens(self, images: np.ndarray) -> Tensor:
        """(N, T, 3, S, S) uint8 -> (N, R, W)."""
        device = next(self._model.parameters()).device
        return self._model.encode_images(torch.from_numpy(images)[:, None].to(device))[:, 0]

    def _no_image(self) -> Tensor:
        """Return the tokens of no image, (0, R, W), whatever turns features into them."""
        side = self._model.image_size
        return self._tokens(np.zeros((1, 1, 3, side, side), np.uint8))[:0]
