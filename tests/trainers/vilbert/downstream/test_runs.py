"""Runs of downstream tasks: each head learns a small world, resumes bit for bit, and begins from a pre-trained run."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers import registry
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.jobs.dry_run import dry_run
from corpusloom.trainers.jobs.evaluate import evaluate
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.vilbert.task import build_task, complete
from tests.trainers.saved_weights import saved_weights
from tests.trainers.vilbert.downstream.worlds import (
    SMALL,
    colours_of,
    config,
    ground_truth_sample,
    questions_of,
    region_sample,
    write_images,
    write_refcoco,
    write_vcr,
    write_vqa,
)

IMAGES = range(1, 61)
HELD_OUT = range(51, 61)
TASKS = ("vqa", "vcr", "refcoco")


def annotations(task: str, folder: Path) -> tuple[list[str], list[str]]:
    """Return the files of a task and the assignments that hold out the last ten images."""
    if task == "vqa":
        return write_vqa(folder, IMAGES), ["data.minval=20"]
    if task == "vcr":
        trained = [image for image in IMAGES if image not in HELD_OUT]
        sizes = ["data.tokens=32", "model.max_tokens=32", "data.vocab_size=200", "model.vocab_size=200"]
        return [write_vcr(folder, trained, split="train"), write_vcr(folder, HELD_OUT, split="val")], sizes
    return write_refcoco(folder, IMAGES, held_out=HELD_OUT), []


@pytest.mark.parametrize("task", TASKS)
def test_a_head_learns_a_small_world_and_its_choices_are_written(task: str, tmp_path: Path) -> None:
    files, held_out = annotations(task, tmp_path / "annotations")
    data = write_images(tmp_path / "regions", IMAGES)
    steps = {"vqa": 60, "vcr": 100, "refcoco": 140}[task]
    small = config(task, files, *held_out, f"train.steps={steps}", "train.checkpoint_every=1000")
    figures = run("vilbert", small, [data], str(tmp_path / "run")).evaluation
    accuracy = {"vqa": "accuracy", "vcr": "q_to_ar", "refcoco": "accuracy"}[task]
    assert figures[accuracy] > 0.9, figures
    assert figures[f"{accuracy}_chance"] < 0.6
    settings = EvaluationSettings(annotations=tuple(files), split="minval" if task == "vqa" else "val")
    again = evaluate(task, str(tmp_path / "run"), data, settings, device="cpu", out=str(tmp_path / "out.json"))
    assert again.figures[accuracy] == figures[accuracy]
    name = {"vqa": "submission.json", "vcr": "submission.csv", "refcoco": "boxes.json"}[task]
    written = (tmp_path / f"out.{name}").read_text()
    if task == "vcr":
        _check_choices(list(csv.DictReader(written.splitlines())), files[1])
    elif task == "vqa":
        rows = json.loads(written)
        right = {10 * image + number: row[1] for image in HELD_OUT for number, row in enumerate(questions_of(image))}
        assert {row["question_id"] for row in rows} == set(right)
        assert sum(right[row["question_id"]] == row["answer"] for row in rows) >= 0.9 * len(rows)
    else:
        rows = json.loads(written)
        corners = {10 * image + place: (place % 2 * 100, place // 2 * 100) for image in HELD_OUT for place in range(4)}
        assert {row["ref_id"] for row in rows} == set(corners)
        assert sum(tuple(row["bbox"][:2]) == corners[row["ref_id"]] for row in rows) >= 0.9 * len(rows)
        assert all(row["bbox"][2:] == [100, 100] for row in rows)  # pixels of COCO's image, not of the dataset's


def _check_choices(rows: list[dict[str, str]], path: str) -> None:
    """Check that both right choices have the highest probability in at least 9 of 10 questions."""
    right = 0
    for row, problem in zip(rows, map(json.loads, Path(path).read_text().splitlines()), strict=True):
        assert row["annot_id"] == problem["annot_id"]
        answer, reason = problem["answer_label"], problem["rationale_label"]
        groups = ("answer", f"rationale_conditioned_on_a{answer}")
        chosen = [np.argmax([float(row[f"{group}_{n}"]) for n in range(4)]) for group in groups]
        right += chosen == [answer, reason]
        assert row[f"rationale_conditioned_on_a{(answer + 1) % 4}_0"] == ""
    assert right >= 0.9 * len(rows)


@pytest.mark.parametrize("task", ["vqa", "vcr"])
def test_a_resumed_run_ends_with_the_same_weights(task: str, tmp_path: Path) -> None:
    files, held_out = annotations(task, tmp_path / "annotations")
    data = write_images(tmp_path / "regions", IMAGES)
    small = config(task, files, *held_out, "model.dropout=0.1", "data.evaluate=off")
    whole = run("vilbert", small, [data], str(tmp_path / "whole"))
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut/checkpoints" / Path(whole.checkpoint or "").name)
    again = run("vilbert", small, [data], str(tmp_path / "cut"))
    assert again.resumed_at == 6
    first, second = saved_weights(whole.checkpoint or ""), saved_weights(again.checkpoint or "")
    assert first.keys() == second.keys()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_a_task_begins_with_the_streams_and_the_vocabulary_of_a_pre_trained_run(tmp_path: Path) -> None:
    data = write_images(tmp_path / "regions", IMAGES)
    plain = [item for item in SMALL if not item.startswith("train.precision")]
    pretraining = load_config("vilbert-tiny", [*plain, "train.steps=1", "data.vocab_size=64"])
    run("vilbert", pretraining, [data], str(tmp_path / "pretrained"))
    files, held_out = annotations("vqa", tmp_path / "annotations")
    init = tmp_path / "pretrained"
    ready = complete(
        load_config("vilbert-vqa", [f"model.init={init}", f"data.annotations={json.dumps(files)}", *held_out]),
        {"model.init"},
    )
    assert ready.model["hidden"] == 32
    assert ready.model["answers"] == 6
    task = build_task(ready, {"regions": (data, 1.0)})
    state, found = task.model.state_dict(), saved_weights(str(tmp_path / "pretrained/checkpoints/step-00000001"))
    shared = state.keys() & found.keys()
    assert all(torch.equal(state[name], found[name]) for name in shared)
    assert all(name.startswith("head.") for name in state.keys() - shared)
    assert (
        task.attachments["tokenizer.json"]
        == (registry.read_attachments(str(tmp_path / "pretrained"))["tokenizer.json"])
    )


def test_images_that_the_dataset_lacks_are_counted_or_refused(tmp_path: Path) -> None:
    files, held_out = annotations("vqa", tmp_path / "annotations")
    some = config("vqa", files, *held_out, "data.evaluate=off")
    task = build_task(complete(some), {"regions": (write_images(tmp_path / "some", range(1, 31)), 1.0)})
    assert "40 of 100 annotations are left out: the dataset lacks image 31, ..." in task.notes
    with pytest.raises(InputError, match=r"none: has no sample of image 1, nor of any other .*give regions of these"):
        build_task(complete(some), {"regions": (write_images(tmp_path / "none", range(101, 111)), 1.0)})


def test_refcoco_has_ground_truth_boxes_in_training_alone(tmp_path: Path) -> None:
    files = write_refcoco(tmp_path / "annotations", range(1, 5))
    data = write_images(tmp_path / "regions", range(1, 5))
    boxes = write_images(tmp_path / "boxes", range(1, 5), ground_truth_sample)
    small = config("refcoco", files, f"data.ground_truth={boxes}", "train.steps=1", "data.evaluate=train")
    batch = next(build_task(small, {"regions": (data, 1.0)}).stream)
    assert batch["is_region"].sum(1).tolist() == [6] * 16
    assert (batch["iou"][:, 4:] == 1).sum() == (batch["iou"][:, :4].amax(1) == 1).sum() / 2  # two of four quarters
    figures = run("vilbert", small, [data], str(tmp_path / "run")).evaluation
    assert figures["accuracy_chance"] == 1 / 4  # of the four detected regions


def _spoilt(image: int) -> RegionsSample:
    """Return an image's sample; one in five has a feature that is not a number, and another one no region."""
    sample = region_sample(image)
    if image % 5 == 0:
        sample.features[1, 0] = np.nan
    if image % 5 == 1:
        sample.boxes, sample.features, sample.class_probs = (
            array[:0] for array in (sample.boxes, sample.features, sample.class_probs)
        )
    return sample


def test_an_image_without_regions_counts_as_wrong_and_one_with_damaged_features_is_skipped(tmp_path: Path) -> None:
    files = write_refcoco(tmp_path / "annotations", range(1, 11))
    data = write_images(tmp_path / "regions", range(1, 11), _spoilt)
    small = config("refcoco", files, "train.steps=6", "data.evaluate=train", "train.batch_size=16")
    result = run("vilbert", small, [data], str(tmp_path / "run"))
    assert (result.skipped.reasons.keys(), result.skipped_steps) == ({"bad_regions"}, 0)
    assert (result.evaluation["skipped"], result.evaluation["accuracy_n"]) == (16, 64)
    assert result.evaluation["accuracy_of_the_best_region"] == 48 / 64


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    files, held_out = annotations("vqa", tmp_path / "annotations")
    data = write_images(tmp_path / "regions", IMAGES)
    small = config("vqa", files, *held_out)
    with pytest.raises(ConfigError, match=r"model\.answers is 7, and the annotations have 6 frequent answers"):
        build_task(complete(config("vqa", files, *held_out, "model.answers=7")), {"one": (data, 1.0)})
    with pytest.raises(ConfigError, match="2 datasets, and the annotations of vqa are of one"):
        build_task(complete(small), {"one": (data, 1.0), "two": (data, 1.0)})
    with pytest.raises(ConfigError, match=r"^data\.annotations: no annotations"):
        build_task(config("vqa", []), {"regions": (data, 1.0)})
    with pytest.raises(ConfigError, match="task is 'vcq'"):
        registry.tables_of(config("vqa", [], 'model.task="vcq"'))
    run("vilbert", config("vqa", files, *held_out, "train.steps=1"), [data], str(tmp_path / "run"))
    settings = EvaluationSettings(annotations=tuple(files))
    with pytest.raises(ConfigError, match="the checkpoint is of the task vqa, not of refcoco"):
        evaluate("refcoco", str(tmp_path / "run"), data, settings, device="cpu")
    with pytest.raises(ConfigError, match="the checkpoint is of the task vqa, which has no alignment head"):
        evaluate("retrieval", str(tmp_path / "run"), data, settings, device="cpu")
    with pytest.raises(ConfigError, match=r"^--annotations: no annotations"):
        evaluate("vqa", str(tmp_path / "run"), data, EvaluationSettings(), device="cpu")


def test_questions_without_published_answers_give_a_submission_alone(tmp_path: Path) -> None:
    files, held_out = annotations("vqa", tmp_path / "annotations")
    data = write_images(tmp_path / "regions", IMAGES)
    run("vilbert", config("vqa", files, *held_out, "train.steps=1"), [data], str(tmp_path / "run"))
    out = str(tmp_path / "out.json")
    found = evaluate("vqa", str(tmp_path / "run"), data, EvaluationSettings(annotations=(files[0],)), out=out)
    assert found.figures == {"questions": 120.0, "skipped": 0.0, "left_out": 0.0}
    assert len(json.loads((tmp_path / "out.submission.json").read_text())) == 120
    assert colours_of(1) != colours_of(2)


def test_ground_truth_boxes_stand_after_the_detected_ones_in_training_and_in_evaluations_of_vcr(tmp_path: Path) -> None:
    files, sizes = annotations("vcr", tmp_path / "annotations")
    data = write_images(tmp_path / "regions", IMAGES)
    boxes = write_images(tmp_path / "boxes", range(2, 61), ground_truth_sample)
    small = config("vcr", files, *sizes, "train.steps=1", f"data.ground_truth={boxes}")
    task = build_task(small, {"regions": (data, 1.0)})
    missing = f"{boxes} lacks image COCO_val2014_000000000001, ..."
    assert f"2 of 100 annotations have no ground-truth boxes: {missing}" in task.notes
    batch = next(task.stream)
    whole = batch["region_mask"].all(1)
    upper_left = torch.tensor([[0, 0, 0.5, 0.5, 0.25]])
    torch.testing.assert_close(batch["locations"][whole, 5], upper_left.repeat(int(whole.sum()), 1))
    run("vilbert", small, [data], str(tmp_path / "run"))
    written = []
    for name, path in (("own", None), ("same", boxes), ("other", data)):
        settings = EvaluationSettings(annotations=(files[1],), ground_truth=path)
        evaluate("vcr", str(tmp_path / "run"), data, settings, out=str(tmp_path / f"{name}.json"))
        written.append((tmp_path / f"{name}.submission.csv").read_text())
    assert written[0] == written[1] != written[2]


def test_problems_without_labels_give_a_submission_alone_and_cannot_be_trained_on(tmp_path: Path) -> None:
    files, short = annotations("vcr", tmp_path / "annotations")
    data = write_images(tmp_path / "regions", IMAGES)
    run_folder, out = str(tmp_path / "run"), str(tmp_path / "out.json")
    run("vilbert", config("vcr", files, *short, "train.steps=1", "data.evaluate=off"), [data], run_folder)
    unlabelled = write_vcr(tmp_path / "annotations", range(1, 4), split="test", labels=False)
    found = evaluate("vcr", run_folder, data, EvaluationSettings(annotations=(unlabelled,), batch_size=4), out=out)
    assert found.figures == {"questions": 3.0, "skipped": 0.0, "left_out": 0.0}
    rows = list(csv.DictReader((tmp_path / "out.submission.csv").read_text().splitlines()))
    assert [row["annot_id"] for row in rows] == ["test-1", "test-2", "test-3"]
    for row in rows:
        groups = np.array([float(value) for name, value in row.items() if name != "annot_id"]).reshape(5, 4)
        np.testing.assert_allclose(groups.sum(1), 1, atol=1e-5)
    with pytest.raises(InputError, match=r"test\.jsonl: annotation test-1/answer has no answer to learn"):
        build_task(config("vcr", [unlabelled], *short, "data.split=test"), {"regions": (data, 1.0)})


@pytest.mark.parametrize("task", TASKS)
def test_a_plan_needs_no_annotations(task: str) -> None:
    described = dry_run(config(task, []))
    assert set(described["parameters"]["by_part"]) == {"streams", "head"}
