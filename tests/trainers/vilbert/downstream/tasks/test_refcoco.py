"""RefCOCO's targets, loss and accuracy agree with cases worked out by hand."""

import json

import numpy as np
import pytest
import torch

from corpusloom.trainers.evaluation.finished import Measured
from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.vilbert.downstream.formats.expressions import Expression
from corpusloom.trainers.vilbert.downstream.tasks.refcoco import RefCOCOTask, overlap

EXPRESSION = Expression(0, "3/9", 1, "the cat", (20, 0, 20, 20), 80, 40, "val")
"""Its image has twice the sides of the dataset's."""


def sample(boxes: list[list[float]]) -> RegionsSample:
    size = {"regions": {"image_width": 40, "image_height": 20}}
    found = np.array(boxes, np.float32)
    return RegionsSample("k", b"", "", size, found, np.zeros((len(boxes), 2)), np.zeros((len(boxes), 2)))


def test_overlap_counts_whole_pixels_as_the_public_code_does() -> None:
    found = overlap(np.array([0.0, 0, 10, 10]), np.array([[5.0, 0, 15, 10], [0, 0, 10, 10], [10, 0, 20, 10]]))
    pixels = [5 * 10 / 150, 1.0, 0.0]  # x1..x2 of the public code: 0..9 and 5..14, whose sides it counts with + 1
    np.testing.assert_allclose(found, pixels)


def test_targets_are_overlaps_in_pixels_of_the_annotated_image() -> None:
    found = RefCOCOTask(4).targets(EXPRESSION, sample([[10, 0, 20, 10], [10, 0, 20, 5], [0, 0, 40, 20]]))
    np.testing.assert_allclose(found["iou"], [1.0, 0.5, 400 / 3200, 0.0], atol=1e-6)
    assert found["is_region"].tolist() == [True, True, True, False]
    np.testing.assert_allclose(found["boxes"][0], [0.25, 0, 0.5, 0.5])


def test_regions_from_half_an_overlap_on_are_targets_and_padding_counts_nowhere() -> None:
    batch = {"iou": torch.tensor([[0.5, 0.49, 0.0]]), "is_region": torch.tensor([[True, True, False]])}
    losses = RefCOCOTask(3).losses(torch.tensor([[0.0, 0.0, 50.0]]), batch)
    torch.testing.assert_close(losses, torch.tensor([2 * 0.6931472]))
    sure = RefCOCOTask(3).losses(torch.tensor([[2.0, 0.0, 0.0]]), batch)
    torch.testing.assert_close(sure, torch.tensor([np.float32(np.log1p(np.exp(2.0)) - 2 * 0.5 + 0.6931472)]))


def test_a_choice_is_right_above_half_an_overlap() -> None:
    batch = {
        "iou": torch.tensor([[0.5, 0.9, 0.0], [0.5, 0.4, 0.0], [0.51, 0.0, 0.0]]),
        "boxes": torch.rand(3, 3, 4),
        "is_region": torch.tensor([[True, True, False]] * 3),
    }
    logits = torch.tensor([[0.0, 1.0, 9.0], [1.0, 0.0, 9.0], [1.0, 0.0, 9.0]])
    task = RefCOCOTask(3)
    assert task.scores(logits, batch).tolist() == [1.0, 0.0, 1.0]
    annotations = [EXPRESSION, EXPRESSION, EXPRESSION]
    found = task.figures(annotations, Measured(task.measure(logits, batch)))
    assert found.values["accuracy"] == pytest.approx(2 / 3)
    assert found.values["accuracy_of_the_best_region"] == pytest.approx(2 / 3)
    assert found.values["accuracy_chance"] == pytest.approx((0.5 + 0.0 + 0.5) / 3)
    assert set(task.figure_names()) == set(found.values) - {"sentences"}
    row = json.loads(found.files["boxes.json"])[1]
    left, top, right, bottom = batch["boxes"][1, 0].tolist()
    assert (row["ref_id"], row["sent_id"], row["score"]) == (3, 9, 1.0)
    assert row["bbox"] == pytest.approx([left * 80, top * 40, (right - left) * 80, (bottom - top) * 40], abs=0.01)
