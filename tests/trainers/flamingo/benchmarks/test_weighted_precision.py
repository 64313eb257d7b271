"""RareAct's weighted average precision, against a count by hand."""

import pytest
import torch

from corpusloom.trainers.flamingo.benchmarks.items import Item
from corpusloom.trainers.flamingo.benchmarks.weighted_precision import precision_by_chance, weighted_precisions

ACTIONS = (("cut", "laptop"), ("cut", "phone"), ("peel", "egg"))


def part(action: int, annotation: int, video: str) -> Item:
    verb, noun = ACTIONS[action]
    info = {"verb": verb, "noun": noun, "annotation": annotation, "video_id": video}
    return Item(key=0, media=(), prompt="", own=action, info=info)


ITEMS = [
    part(0, 1, "a"), part(0, 1, "a"),  # two positives of one video weigh 1/2 each
    part(0, 0, "b"),
    part(0, 3, "c"),
    part(1, 2, "d"),  # no positive: of no action but its own
    part(2, 1, "e"),  # a positive of another verb and noun: a negative of the others
]  # fmt: skip


def test_videos_weigh_1_within_positives_hard_negatives_and_negatives() -> None:
    scores = torch.zeros(6, 3)
    scores[:, 0] = torch.tensor([6.0, 4.0, 5.0, 3.0, 9.0, 2.0])
    scores[:, 2] = torch.tensor([9.0, 1.0, 1.0, 1.0, 1.0, 8.0])
    found = weighted_precisions(scores, ITEMS)
    # action 0, by score: + 1/2, - 1, + 1/2, - 1 (hard), - 1; action 1 has no positive
    first = 0.5 * 1 + 0.5 * (1 / 2)
    # action 2: its positive stands behind one part of video a; both parts of a weigh 1/2
    assert found.tolist() == pytest.approx([first, 1 / 1.5])


def test_chance_is_the_weighted_share_of_positives() -> None:
    assert precision_by_chance(ITEMS) == pytest.approx((1 / 4 + 1 / 2) / 2)
