"""Retrieval from the command line: it learns a small world, resumes bit for bit, and is measured as it was trained."""

import json
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.checkpoints.folders import read_attachment
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.jobs.dry_run import dry_run
from corpusloom.trainers.jobs.evaluate import evaluate
from corpusloom.trainers.jobs.export import export_model
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.training.config import RunConfig, load_config
from corpusloom.trainers.vilbert.retrieval import runs
from corpusloom.trainers.vilbert.task import build_task
from tests.trainers.saved_weights import saved_weights
from tests.trainers.vilbert.downstream.worlds import SMALL, config
from tests.trainers.vilbert.region_pairs import write_regions
from tests.trainers.vilbert.retrieval.caption_files import write_karpathy, write_lines

IMAGES, HELD_OUT = range(64), range(48, 64)
"""16 combinations of colour and shape, each in one image of the split val."""


def written(folder: Path) -> tuple[str, str]:
    """Write regions and captions; return their paths."""
    return write_regions(folder / "regions", 64), write_karpathy(folder / "dataset.json", IMAGES, HELD_OUT)


def small(file: str, *assignments: str) -> RunConfig:
    return config("retrieval", [file], "data.neighbours=20", *assignments)


def test_a_run_from_the_command_line_learns_and_is_measured_by_loom_eval(tmp_path: Path) -> None:
    data, file = written(tmp_path)
    changes = (*SMALL, "data.regions=8", "data.neighbours=20", "train.steps=150", "train.checkpoint_every=1000")
    argv = ["train", "vilbert", "--task", "retrieval", "--data", data, "--out", str(tmp_path / "run")]
    argv += ["--device", "cpu", "--set", *changes, f"data.annotations={json.dumps([file])}"]
    assert main.run(argv) == 0
    trained = json.loads((tmp_path / "run/result.json").read_text())["evaluation"]
    assert (trained["images"], trained["n"], trained["left_out"]) == (16, 32, 0)
    assert trained["image_retrieval_r1"] > 0.5, trained  # by chance 1/16
    assert trained["text_retrieval_r5"] > 0.7, trained
    out = tmp_path / "out.json"
    argv = ["eval", "retrieval", "--checkpoint", str(tmp_path / "run"), "--data", data, "--annotations", file]
    assert main.run([*argv, "--split", "val", "--device", "cpu", "--out", str(out)]) == 0
    figures = json.loads(out.read_text())["figures"]
    assert figures == pytest.approx(trained)
    export_model(str(tmp_path / "run"), "hf", str(tmp_path / "folder"))
    settings = EvaluationSettings(annotations=(file,), split="val")
    again = evaluate("retrieval", str(tmp_path / "folder"), data, settings, device="cpu")
    assert again.figures["image_retrieval_r1"] == figures["image_retrieval_r1"]


def test_the_time_of_an_evaluation_is_printed_before_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, file = written(tmp_path)
    run("vilbert", small(file, "train.steps=1", "data.evaluate=off"), [data], str(tmp_path / "run"))
    argv = ["eval", "retrieval", "--checkpoint", str(tmp_path / "run"), "--data", data, "--annotations", file]
    assert main.run([*argv, "--split", "val", "--device", "cpu"]) == 0
    assert "32 captions x 16 images are 512 pairs; 16 of them took " in capsys.readouterr().err


def test_a_resumed_run_ends_with_the_same_weights_and_reads_its_neighbours(tmp_path: Path) -> None:
    data, file = written(tmp_path)
    made = small(file, "model.dropout=0.1", "data.evaluate=off")
    whole = run("vilbert", made, [data], str(tmp_path / "whole"))
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut/checkpoints" / Path(whole.checkpoint or "").name)
    with mock.patch.object(runs, "find_neighbours") as found:
        again = run("vilbert", made, [data], str(tmp_path / "cut"))
    assert found.call_count == 0
    assert again.resumed_at == 6
    first, second = saved_weights(whole.checkpoint or ""), saved_weights(again.checkpoint or "")
    assert first.keys() == second.keys()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_neighbours_of_a_checkpoint_are_of_use_for_the_same_images_alone(tmp_path: Path) -> None:
    data, file = written(tmp_path)
    checkpoint = run("vilbert", small(file, "train.steps=1", "data.evaluate=off"), [data], str(tmp_path / "run"))
    begun = checkpoint.checkpoint or ""
    for changes, calls in (((), 0), (("data.neighbours=10",), 1), (("data.split=val",), 1)):
        with mock.patch.object(runs, "find_neighbours", return_value=np.zeros((64, 5), np.int32)) as found:
            build_task(small(file, "data.evaluate=off", *changes), {"regions": (data, 1.0)}, begun)
        assert found.call_count == calls, changes
    assert len(read_attachment(begun, runs.NEIGHBOURS)) > 48 * 20 * 4


def test_the_heads_of_words_and_regions_stay_as_they_are(tmp_path: Path) -> None:
    data, file = written(tmp_path)
    plain = [item for item in SMALL if not item.startswith("train.precision")]
    run("vilbert", load_config("vilbert-tiny", [*plain, "train.steps=1"]), [data], str(tmp_path / "pretrained"))
    made = small(file, f"model.init={tmp_path / 'pretrained'}", "train.steps=3", "data.evaluate=off")
    tuned = run("vilbert", made, [data], str(tmp_path / "tuned"))
    before = saved_weights(str(tmp_path / "pretrained/checkpoints/step-00000001"))
    after = saved_weights(tuned.checkpoint or "")
    for name, tensor in before.items():
        still = name.startswith(("word_", "region_transform.", "region_decoder."))
        assert torch.equal(tensor, after[name]) == still, name


def test_lines_without_splits_are_trained_on_whole(tmp_path: Path) -> None:
    data = write_regions(tmp_path / "regions", 12)
    file = write_lines(tmp_path / "train.jsonline", range(14))
    task = build_task(small(file, "data.split=off", "data.evaluate=off"), {"regions": (data, 1.0)})
    assert any(note.startswith("2 of 14 annotations are left out") for note in task.notes)
    with pytest.raises(ConfigError, match=r"no split 'train' .*data\.split=off data\.evaluate=off"):
        build_task(small(file), {"regions": (data, 1.0)})


def test_a_batch_of_one_row_has_a_hard_caption(tmp_path: Path) -> None:
    data, file = written(tmp_path)
    found = run("vilbert", small(file, "train.batch_size=1", "train.steps=3"), [data], str(tmp_path / "run"))
    assert found.report is not None
    assert 0 < found.report.loss < 5


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    data, file = written(tmp_path)
    with pytest.raises(ConfigError, match="2 datasets, and the annotations of retrieval are of one"):
        build_task(small(file), {"one": (data, 1.0), "two": (data, 1.0)})
    with pytest.raises(ConfigError, match=r"^data\.annotations: no annotations"):
        build_task(config("retrieval", []), {"regions": (data, 1.0)})
    with pytest.raises(ConfigError, match=r"^data\.neighbours: neighbours is 0"):
        build_task(small(file, "data.neighbours=0"), {"regions": (data, 1.0)})
    with pytest.raises(ConfigError, match="retrieval has no ground-truth boxes"):
        build_task(small(file, "data.ground_truth=boxes"), {"regions": (data, 1.0)})
    with pytest.raises(InputError, match="no image in the split 'dev'"):
        build_task(small(file, "data.evaluate=dev"), {"regions": (data, 1.0)})
    one = write_lines(tmp_path / "one.jsonl", [0])
    with pytest.raises(InputError, match="one image alone has no hard captions"):
        build_task(small(one, "data.split=off", "data.evaluate=off"), {"regions": (data, 1.0)})


def test_a_plan_needs_no_annotations() -> None:
    described = dry_run(config("retrieval", []))
    assert set(described["parameters"]["by_part"]) == {"streams", "heads"}
