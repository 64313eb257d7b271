"""A small dataset of pairs with a repeated image, a repeated text and a broken image, and a small CLIP."""

from pathlib import Path

from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer
from corpusloom.trainers.embedding.encoder import Encoder
from tests.trainers.clip.folders import hf_folder
from tests.trainers.datasets import Pair, coloured_pairs, write_pairs

BROKEN = Pair(b"\xff\xd8 no picture", "a broken picture")


def small_pairs(folder: Path, count: int = 12) -> str:
    """Write `count` coloured pairs, one with the image of the first, one with its text too, and a broken one."""
    pairs = coloured_pairs(count)
    return write_pairs(folder, [*pairs, Pair(pairs[0].image, "another text"), pairs[0], BROKEN])


def small_clip(folder: Path) -> tuple[CLIP, ClipTokenizer]:
    """Return a CLIP with random weights, from a folder in transformers' layout."""
    return load_clip(hf_folder(folder)[0])


def small_encoder(folder: Path, batch_size: int = 4) -> Encoder:
    """Return an encoder of that CLIP."""
    return Encoder(*small_clip(folder), path=str(folder), batch_size=batch_size)
