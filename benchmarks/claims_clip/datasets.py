"""Datasets of pairs from emoji: captions, planted noise, filters, and tars with an index that `loom train` reads."""

import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.claims_clip.emoji import Emoji
from benchmarks.claims_common.datasets import write_indexed
from corpusloom.pipelines.filters.pairs.align_captions import CaptionConfig, measure_caption, rules
from corpusloom.schemas.verdicts import Kept, decide

TEMPLATES = ("{c}", "{c} icon", "a picture of {c}", "emoji of {c}", "a small drawing of {c}", "{c} in colour")
"""Captions name their picture in one of these ways; zero-shot classification uses the same as its ensemble."""
BOILERPLATE = ("click to enlarge", "image loading", "share this emoji", "icon", "download png")
"""Captions that say nothing of their picture: navigation and labels of buttons."""
PER_TAR = 1000


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and its caption."""

    key: str
    png: bytes
    caption: str
    is_noise: bool = False
    """Whether the caption was planted."""


def make_pairs(emoji: Iterable[Emoji], templates: Sequence[str] = TEMPLATES) -> list[Pair]:
    """Return one pair per picture; the key chooses the caption's template."""
    return [_pair(one, templates) for one in emoji]


def _pair(emoji: Emoji, templates: Sequence[str]) -> Pair:
    key = hashlib.sha256(f"{emoji.artist}/{emoji.name}".encode()).hexdigest()[:32]
    return Pair(key, emoji.png, templates[int(key[:8], 16) % len(templates)].replace("{c}", emoji.name))


def plant_noise(pairs: Sequence[Pair], share: float, rng: np.random.Generator) -> list[Pair]:
    """Return pairs of which a share has another picture's caption, and as many a piece of boilerplate."""
    count = round(share * len(pairs))
    chosen = rng.permutation(len(pairs))[: 2 * count]
    wrong, empty = chosen[:count], chosen[count:]
    noisy = list(pairs)
    for at, other in zip(wrong, np.roll(wrong, 1), strict=True):
        noisy[at] = replace(pairs[at], caption=pairs[other].caption, is_noise=True)
    for at in empty:
        noisy[at] = replace(pairs[at], caption=str(rng.choice(BOILERPLATE)), is_noise=True)
    return noisy


def by_rules(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs whose text at most 10 images share: ALIGN's rule, which the recipe align has."""
    shared = Counter(pair.caption.lower() for pair in pairs)
    ruled = rules(CaptionConfig(max_text_images=10))
    return [
        pair
        for pair in pairs
        if isinstance(decide(measure_caption(pair.caption, text_images=shared[pair.caption.lower()]), ruled), Kept)
    ]


def write_dataset(pairs: Iterable[Pair], folder: Path) -> str:
    """Write tars of KEY.png and KEY.txt, and their index; return the index's path. A finished dataset is kept."""

    def write(folder: Path) -> None:
        ordered = sorted(pairs, key=lambda pair: pair.key)
        for start in range(0, len(ordered), PER_TAR):
            _write_tar(ordered[start : start + PER_TAR], folder / f"{start // PER_TAR:05d}.tar")

    return write_indexed(folder, "pairs", write)


def _write_tar(pairs: Iterable[Pair], path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        for pair in pairs:
            for extension, data in (("png", pair.png), ("txt", pair.caption.encode())):
                info = tarfile.TarInfo(f"{pair.key}.{extension}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
