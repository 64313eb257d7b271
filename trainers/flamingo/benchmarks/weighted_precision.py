"""RareAct's weighted average precision per action (arXiv 2008.01018, section 3.3).

Within positives, hard negatives and negatives of an action each video weighs 1, shared by its parts.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from corpusloom.trainers.evaluation.ranking import average_precision
from corpusloom.trainers.flamingo.benchmarks.formats.actions import NEGATIVE, POSITIVE
from corpusloom.trainers.flamingo.benchmarks.items import Item


def weighted_precisions(scores: Tensor, items: Sequence[Item]) -> Tensor:
    """Return the average precision of each action that has positives, given the scores of actions, (M, A): (A',)."""
    found = []
    for number, records, positive, weight in _actions(items):
        found.append(average_precision(scores[records, number], positive, weight))
    return torch.tensor(found, dtype=torch.float64)


def precision_by_chance(items: Sequence[Item]) -> float:
    """Return the mean over actions of the weighted share of positives."""
    shares = [float(weight[positive].sum() / weight.sum()) for _, _, positive, weight in _actions(items)]
    return sum(shares) / len(shares)


def _actions(items: Sequence[Item]) -> Iterator[tuple[int, list[int], Tensor, Tensor]]:
    """Yield an action's number, its records, whether each is positive, (R,) bool, and their weights, (R,)."""
    actions = {item.own: (item.info["verb"], item.info["noun"]) for item in items}
    for number, action in actions.items():
        groups = [(place, group) for place, item in enumerate(items) if (group := _group(item, number, action))]
        if number is None or not any(group == "positive" for _, group in groups):
            continue
        videos = [(group, items[place].info["video_id"]) for place, group in groups]
        counts = Counter(videos)
        yield (
            number,
            [place for place, _ in groups],
            torch.tensor([group == "positive" for _, group in groups]),
            torch.tensor([1 / counts[video] for video in videos], dtype=torch.float64),
        )


def _group(item: Item, number: int | None, action: tuple[str, str]) -> str:
    """Return what a record is to an action; empty for records of other actions that do not show those."""
    annotation = item.info["annotation"]
    if item.own == number:
        return {POSITIVE: "positive", NEGATIVE: "negative"}.get(annotation, "hard negative")
    if annotation != POSITIVE:
        return ""
    same = (item.info["verb"] == action[0]) + (item.info["noun"] == action[1])
    return "hard negative" if same else "negative"
