"""Outputs in the forms in which benchmarks take submissions."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.flamingo.prompts.closed_ended import probabilities

ModelOutputs = Sequence[str] | Tensor
"""A text per record, or log likelihoods of candidates, (M, C), -inf where a record has fewer."""


def _listed(key: str, value: str) -> Callable[[Sequence[Item], Any], bytes]:
    def make(items: Sequence[Item], texts: Sequence[str]) -> bytes:
        return _json([{key: item.key, value: text} for item, text in zip(items, texts, strict=True)])

    return make


def _texts(items: Sequence[Item], texts: Sequence[str]) -> bytes:
    return _json({str(item.key): text for item, text in zip(items, texts, strict=True)})


def _video_answers(items: Sequence[Item], texts: Sequence[str]) -> bytes:
    """NExT-QA: {video: {number of the question: answer}}."""
    videos: dict[str, dict[str, str]] = {}
    for item, text in zip(items, texts, strict=True):
        videos.setdefault(str(item.info["video"]), {})[str(item.info["qid"])] = text
    return _json(videos)


def _choices(items: Sequence[Item], scores: Tensor) -> bytes:
    """STAR: {type of question: [{"question_id", "answer": number of the choice}]}; an id begins with the type."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for item, row in zip(items, scores, strict=True):
        entry = {"question_id": item.key, "answer": int(row.argmax())}
        groups.setdefault(str(item.key).split("_")[0], []).append(entry)
    return _json(groups)


def _ranks(items: Sequence[Item], scores: Tensor) -> bytes:
    """VisDial: the rank of each candidate, from 1."""
    places = scores.argsort(dim=1, descending=True, stable=True).argsort(1) + 1
    rows = zip(items, places.tolist(), strict=True)
    return _json([{**item.info, "ranks": ranks[: len(item.candidates)]} for item, ranks in rows])


def _probabilities(items: Sequence[Item], scores: Tensor) -> bytes:
    """Hateful Memes: a CSV of the probability of the second candidate, yes, and the label."""
    rows = zip(items, probabilities(scores)[:, 1].tolist(), strict=True)
    lines = [f"{item.key},{share:.6f},{int(share > 0.5)}" for item, share in rows]
    return "\n".join(["id,proba,label", *lines, ""]).encode()


def _matrix(items: Sequence[Item], scores: Tensor) -> bytes:
    """RareAct: a NumPy file of scores, (records, actions)."""
    file = io.BytesIO()
    np.save(file, scores.numpy())
    return file.getvalue()


FORMS: Mapping[str, tuple[str, Callable[[Sequence[Item], Any], bytes]]] = {
    "captions": ("json", _listed("image_id", "caption")),
    "answers": ("json", _listed("question_id", "answer")),
    "image_answers": ("json", _listed("image", "answer")),
    "clip_answers": ("json", _listed("video_id", "answer")),
    "texts": ("json", _texts),
    "video_answers": ("json", _video_answers),
    "choices": ("json", _choices),
    "ranks": ("json", _ranks),
    "probabilities": ("csv", _probabilities),
    "scores": ("npy", _matrix),
}
"""Form -> ending of its file, and (records, outputs) -> content."""


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False) + "\n").encode()
