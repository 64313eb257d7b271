"""`loom eval` hands its flags to the evaluation and prints one line per figure."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.evaluation.predictions import Prediction
from corpusloom.trainers.jobs import evaluate
from corpusloom.trainers.jobs.evaluate import EvaluationResult
from corpusloom.trainers.jobs.interpolate import Interpolation
from corpusloom.trainers.training import distributed
from tests.pipelines.cli.recorded_calls import record_calls
from tests.trainers.vilbert.downstream.worlds import SMALL, ground_truth_sample, write_images, write_vcr

FIGURES = {
    "top1": 0.123456,
    "top1_low": 0.1,
    "top1_high": 0.15,
    "top1_n": 200,
    "top1_chance": 0.01,
    "n": 200,
    "shots": 0,
}
RESULT = EvaluationResult(
    kind="few-shot",
    checkpoint="run",
    data="data",
    figures=FIGURES,
    skipped=tuple(f"k{n}: no_image" for n in range(12)),
    reused=3,
)
ARGV = ["eval", "few-shot", "--checkpoint", "run", "--data", "data"]


@pytest.mark.parametrize(
    ("flag", "value"),
    [(f"--{name}", "0") for name in ("limit", "batch-size", "workers", "seeds", "ensemble", "beams")]
    + [("--shots", "-1")],
)
def test_numbers_that_make_no_sense_are_refused(flag: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{flag} is {value}"):
        main.run(["eval", "few-shot", "--checkpoint", "no/such/run", "--data", "no/such/dataset", flag, value])


def test_a_folder_is_no_file_for_the_result(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        main.run([*ARGV, "--out", str(tmp_path)])


def test_the_page_does_not_replace_the_figures(tmp_path: Path) -> None:
    file, again = str(tmp_path / "found.html"), f"{tmp_path}/./found.html"
    with pytest.raises(ConfigError, match="--out and --html are both"):
        main.run(["eval", "zero-shot", "--checkpoint", "run", "--images", "x", "--out", file, "--html", again])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the arguments with which evaluations are asked for."""
    return record_calls(monkeypatch, evaluate, "evaluate", RESULT)


def test_a_split_without_answers_has_its_records_counted_and_its_outputs_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {"records": 3.0, "skipped": 0.0}
    found = replace(RESULT, figures=counts, skipped=(), files=("found.4_shots.seed0.json",))
    record_calls(monkeypatch, evaluate, "evaluate", found)
    assert main.run([*ARGV, "--out", "found.json"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split() for line in shown[1:3]] == [["records", "3"], ["skipped", "0"]]
    assert shown[3] == "outputs: found.4_shots.seed0.json"


def test_a_benchmark_without_its_files_is_refused_before_the_model_is_read(tmp_path: Path) -> None:
    argv = ["eval", "few-shot", "--checkpoint", "no/such/run", "--data", str(tmp_path), "--benchmark"]
    with pytest.raises(ConfigError, match=r"no benchmark 'hateful-memes' \(did you mean hatefulmemes\?\)"):
        main.run([*argv, "hateful-memes"])
    with pytest.raises(InputError, match=r"test_seen\.jsonl: no such file"):
        main.run([*argv, "hatefulmemes"])
    (tmp_path / "test_seen.jsonl").touch()
    with pytest.raises(InputError, match=r"train\.jsonl: no such file"):
        main.run([*argv, "hatefulmemes", "--shots", "2"])


def test_figures_are_printed_by_name_and_skipped_samples_are_named(
    asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--limit", "9", "--shots", "0", "4", "--prompt", "x", "--dtype", "bf16", "--batch-size", "7"]
    flags += ["--workers", "5", "--pool", "p", "--rices", "--beams", "2", "--classes", "c", "--ensemble", "6"]
    assert (
        main.run(
            [
                *ARGV,
                *flags,
                "--device",
                "cpu",
                "--out",
                "figures.json",
                "--set",
                "a.b=c",
                "--interpolate",
                "runs/base:0.5",
            ]
        )
        == 0
    )
    printed = capsys.readouterr()
    assert [line.split() for line in printed.out.splitlines()] == [
        ["figure", "value", "95", "%", "interval", "n", "chance"],
        ["top1", "0.1235", "0.1", "to", "0.15", "200", "0.01"],
        ["shots", "0"],
    ]
    assert "3 batches were finished before" in printed.err
    assert "12 samples could not be read: k0: no_image, " in printed.err
    assert printed.err.rstrip().splitlines()[-1].endswith("k9: no_image ...")
    ((kind, checkpoint, data, settings), named) = asked[0]
    assert (kind, checkpoint, data) == ("few-shot", "run", "data")
    mixed = {"interpolation": Interpolation("runs/base", 0.5), "html": None}
    assert named == {"assignments": ("a.b=c",), "device": "cpu", "out": "figures.json"} | mixed
    wanted = {"limit": 9, "shots": (0, 4), "prompt": "x", "precision": "bf16", "batch_size": 7, "workers": 5}
    wanted |= {"pool": "p", "rices": True, "beams": 2, "classes": "c", "ensemble": 6}
    assert settings == replace(settings, **wanted, partial=None)


def test_json_is_the_figures_alone(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([*ARGV, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == FIGURES


def test_under_torchrun_rank_0_alone_prints(
    asked: list[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "prints", lambda: False)
    assert main.run(ARGV) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")


PICTURES = ["eval", "zero-shot", "--checkpoint", "run", "--images", "holiday"]


@pytest.mark.parametrize(
    ("flags", "html"),
    [
        ([], "zero-shot.html"),
        (["--out", "found.json"], "found.html"),
        (["--out", "found.json", "--html", "page.html"], "page.html"),
    ],
)
def test_a_page_of_pictures_is_written_beside_the_result(asked: list[Any], flags: list[str], html: str) -> None:
    assert main.run([*PICTURES, "--classes", "names.txt", "--templates", "none", *flags]) == 0
    ((kind, _, data, settings), named) = asked[0]
    assert (kind, data, named["html"]) == ("zero-shot", "holiday", html)
    assert (settings.images, settings.classes, settings.templates) == ("holiday", "names.txt", "none")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["zero-shot"], "--data PATH or --images FOLDER is missing"),
        (["retrieval"], "--data PATH is missing"),
        (["retrieval", "--images", "x"], "--data PATH is missing"),
        (["zero-shot", "--data", "x", "--images", "y"], "--data and --images are both given"),
        (["zero-shot", "--data", "x", "--classes", "y"], "--classes without --images"),
        (["zero-shot", "--data", "x", "--pool", "y"], "--pool belongs to few-shot, not to zero-shot"),
        (["few-shot", "--data", "x", "--shots", "4", "4"], "--shots names no number, or one twice"),
        (["few-shot", "--data", "x", "--rices", "--seeds", "2"], "--rices with several --seeds"),
        (["few-shot", "--data", "x", "--ensemble", "6"], "--ensemble without --classes"),
        (["few-shot", "--data", "x", "--split", "val"], "--split without --benchmark"),
        (["few-shot", "--data", "x", "--benchmark", "coco", "--pool", "y"], "--pool or --classes with --benchmark"),
        (["retrieval", "--data", "x", "--benchmark", "coco"], "--benchmark belongs to few-shot"),
        (["few-shot", "--data", "x", "--images", "y"], "--images belongs to zero-shot, linear-probe, retrieval"),
        (
            ["few-shot", "--data", "x", "--html", "y"],
            "--html belongs to zero-shot, linear-probe, retrieval, not to few",
        ),
        (["retrieval", "--data", "x", "--classes", "y"], "--classes without --html .retrieval names them on its page"),
        (
            ["linear-probe", "--images", "x", "--templates", "y"],
            "--templates belongs to zero-shot, not to linear-probe",
        ),
        (["likelihood", "--data", "x", "--split", "y"], "--split belongs to zero-shot, retrieval, few-shot"),
        (["vqa", "--data", "x", "--ground-truth", "y"], "--ground-truth belongs to vcr, not to vqa"),
    ],
)
def test_flags_that_do_not_fit_the_evaluation_are_refused(argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        main.run(["eval", *argv, "--checkpoint", "run"])


def test_predictions_for_pictures_without_labels_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tuple(Prediction(f"{n}.jpg", n, None, None, (("cat", 0.75), ("dog", 0.25))) for n in range(23))
    shown = replace(RESULT, figures={"n": 23.0}, predictions=found, notes=("a note",))
    monkeypatch.setattr(evaluate, "evaluate", lambda *arguments, **named: shown)
    assert main.run(PICTURES) == 0
    printed = capsys.readouterr()
    lines = [line.split() for line in printed.out.splitlines()]
    assert lines[1] == ["0.jpg", "cat", "75%", "dog", "25%"]
    assert lines[-2:] == [["...", "and", "3", "more"], ["page:", "zero-shot.html"]]
    assert "note: a note" in printed.err
    assert main.run([*PICTURES, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["figures"] == {"n": 23}
    assert plain["predictions"][0] == {"image": "0.jpg", "top": [["cat", 0.75], ["dog", 0.25]]}


def test_a_vilbert_is_trained_on_vcr_and_scores_its_test_set(tmp_path: Path) -> None:
    data, images = write_images(tmp_path / "regions", range(1, 9)), range(1, 9)
    boxes = write_images(tmp_path / "boxes", images, ground_truth_sample)
    train, test = write_vcr(tmp_path, images, split="train"), write_vcr(tmp_path, [3, 5], split="test", labels=False)
    small = [*SMALL, "train.steps=1", "data.evaluate=off", f"data.annotations={json.dumps([train])}"]
    run, out = str(tmp_path / "run"), str(tmp_path / "out.json")
    argv = ["train", "vilbert", "--task", "vcr", "--data", data, "--out", run, "--device", "cpu", "--quiet"]
    assert main.run([*argv, "--set", *small, f"data.ground_truth={boxes}"]) == 0
    argv = ["eval", "vcr", "--checkpoint", run, "--data", data, "--annotations", test, "--out", out, "--quiet"]
    assert main.run([*argv, "--ground-truth", boxes]) == 0
    header, *rows = (tmp_path / "out.submission.csv").read_text().splitlines()
    assert header.startswith("annot_id,answer_0,answer_1,answer_2,answer_3,rationale_conditioned_on_a0_0,")
    assert header.endswith(",rationale_conditioned_on_a3_3")
    assert [row.split(",")[0] for row in rows] == ["test-3", "test-5"]
    assert all(0 < float(value) < 1 for row in rows for value in row.split(",")[1:])
    with pytest.raises(InputError, match=r"annotation test-3/answer has no answer to learn"):
        main.run(["train", "vilbert", "--task", "vcr", "--data", data, "--out", f"{run}2", "--set", *small,
                  f'data.annotations=["{test}"]', "data.split=test"])  # fmt: skip
