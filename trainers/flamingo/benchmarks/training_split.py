"""The training split of a benchmark as samples with its prompts and answers, on which a Flamingo is fine-tuned."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from corpusloom.schemas import identity, layout, storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.flamingo.benchmarks.benchmark import find
from corpusloom.trainers.flamingo.benchmarks.formats.readers import read_items
from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.flamingo.benchmarks.media import find_media, is_image, spread_frames
from corpusloom.trainers.flamingo.data import QUESTION
from corpusloom.trainers.stream.errors import SampleError, reason_of
from corpusloom.trainers.stream.plan import SKIPPABLE
from corpusloom.trainers.stream.samples.image_ops import resize

PAIRS, CLIPS = "pairs", "clips"
_QUALITY = 95
"""JPEG quality of frames."""


@dataclass(frozen=True, slots=True)
class TrainingSplit:
    """Records of a benchmark with answers, by the keys of their samples in ascending order."""

    name: str
    """Name of the benchmark and of the split: okvqa/train2014."""
    kind: str
    """pairs for images, clips for videos."""
    items: Mapping[str, Item]
    frames: int
    """Frames per video, spread over it."""
    side: int
    """Longer side of the frames in pixels, at most."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Reason -> records that `read` could not read."""

    def read(self, key: str) -> tuple[str, str, dict[str, bytes]] | None:
        """Return a record's name, its answer, and the members of its sample: field -> bytes.

        None for a record whose image or video cannot be read, which `skipped` then counts.
        """
        item = self.items[key]
        try:
            media = self._media(item)
        except SKIPPABLE as error:
            self.skipped[reason_of(error)] += 1
            return None
        answers = [item.answer] if item.candidates else item.references
        info = {"key": item.key, QUESTION: {"prompt": item.prompt, "answers": answers}}
        text = item.answer or ""
        texts = {"txt": text.encode(), "json": json.dumps(info, sort_keys=True, ensure_ascii=False).encode()}
        return f"{self.name}/{item.key}", text, {**media, **texts}

    def _media(self, item: Item) -> dict[str, bytes]:
        path = find_media(item)
        if is_image(path) != (self.kind == PAIRS):
            raise SampleError("other_media", f"{path} among samples of {self.kind}")
        if self.kind == PAIRS:
            ending = path.rsplit(".", 1)[-1].lower()
            return {"jpg" if ending == "jpeg" else ending: storage.read_bytes(path)}
        frames = spread_frames(item, path, self.frames, self.side)
        return {layout.image_field(number, "jpg"): _encode(frame, self.side) for number, frame in enumerate(frames)}


def open_training_split(name: str, folder: str, split: str | None = None, *, frames: int, side: int) -> TrainingSplit:
    """Return a benchmark's records with answers, by default those of the split from which shots are taken.

    Raises ConfigError for a benchmark without such a split, InputError if no record has an answer or none has its image
    or video in the folder.
    """
    benchmark = find(name)
    if benchmark.support is None:
        raise ConfigError(f"{name} has no split for training", where="NAME", remedy="choose another benchmark")
    split = split or benchmark.support
    items = [item for item in read_items(benchmark, folder, split) if item.answer is not None]
    where = f"{folder}: {split}"
    if not items:
        raise InputError(
            "no record has an answer", where=where, remedy="add the file of answers, or name another split"
        )
    keyed = {identity.make_key("example", name, split, str(number)): item for number, item in enumerate(items)}
    kind = PAIRS if is_image(_first_media(items, where)) else CLIPS
    return TrainingSplit(f"{name}/{split}", kind, dict(sorted(keyed.items())), frames, side)


def _first_media(items: list[Item], where: str) -> str:
    for item in items:
        try:
            return find_media(item)
        except SampleError:
            continue
    wanted = " or ".join(items[0].media)
    raise InputError(f"no record has its image or video, such as {wanted}", where=where, remedy="copy them there")


def _encode(frame: np.ndarray, side: int) -> bytes:
    """Return a frame, uint8 RGB (H, W, 3), as JPEG of at most `side` pixels a side."""
    scale = side / max(frame.shape[:2])
    if scale < 1:
        frame = resize(frame, max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    return cv2.imencode(".jpg", frame[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
