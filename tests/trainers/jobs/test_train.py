"""One run: named and weighted data sets, a folder with checkpoints, metrics and a result, and resuming."""

import json
import re
from pathlib import Path

import pytest
import torch

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.jobs.train import parse_datasets, run
from corpusloom.trainers.registry import load_model
from corpusloom.trainers.training.checkpoint import Checkpointer
from corpusloom.trainers.training.config import RunConfig, load_config
from corpusloom.trainers.training.observe.profiler import StepWindow
from tests.trainers.datasets import Pair, coloured_pairs, write_pairs
from tests.trainers.training.toy import Recorder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data/cc3m/", {"cc3m": ("/data/cc3m/", 1.0)}),
        ("m3w=/data/m3w:0.5", {"m3w": ("/data/m3w", 0.5)}),
        ("m3w=s3://bucket/m3w", {"m3w": ("s3://bucket/m3w", 1.0)}),
        ("gs://bucket/a:2", {"a": ("gs://bucket/a", 2.0)}),
    ],
)
def test_a_dataset_has_a_name_a_path_and_a_share(text: str, expected: dict[str, tuple[str, float]]) -> None:
    assert parse_datasets([text]) == expected


@pytest.mark.parametrize("data", [[], ["a=x:0"], ["=x"], ["a=x", "a=y"], [""]], ids=str)
def test_data_without_a_path_a_name_or_a_positive_weight_is_refused(data: list[str]) -> None:
    with pytest.raises(ConfigError):
        parse_datasets(data)


def config(*assignments: str) -> RunConfig:
    small = ["train.steps=6", "train.warmup=1", "train.batch_size=8", "train.log_every=2", "train.checkpoint_every=3"]
    return load_config("clip-tiny", [*small, "model.image.layers=[1, 1]", "model.text.width=16", *assignments])


def test_the_wrong_family_is_refused() -> None:
    with pytest.raises(ConfigError, match="configures clip, not flamingo"):
        run("flamingo", config(), ["x"], "out")


def test_a_best_checkpoint_without_an_evaluation_is_refused(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs", coloured_pairs(8))
    with pytest.raises(ConfigError, match=r"train\.keep_best: the run has no evaluation"):
        run("clip", config("train.keep_best=r1:max"), [data], str(tmp_path / "run"))


def test_a_figure_that_no_evaluation_has_is_refused_before_training(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs", coloured_pairs(8))
    wrong = config("train.keep_best=text_retrieval_r2:max", "data.evaluate=train")
    remedy = "one of image_retrieval_r1, image_retrieval_r5, image_retrieval_r10, text_retrieval_r1"
    with pytest.raises(ConfigError, match=rf"the evaluation has no figure 'text_retrieval_r2' .{remedy}"):
        run("clip", wrong, [data], str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_folder_of_another_family_is_refused_before_the_data_are_read(tmp_path: Path) -> None:
    model = torch.nn.Linear(1, 1)
    saver = Checkpointer(str(tmp_path / "run" / "checkpoints"), config=load_config("vilbert-tiny"))
    saver.save(1, model, torch.optim.SGD(model.parameters()), wait=True)
    with pytest.raises(ConfigError, match=r"a run of vilbert, and clip-tiny configures clip .train into"):
        run("clip", config(), ["no-data"], str(tmp_path / "run"))


def test_a_run_leaves_checkpoints_metrics_and_a_result_and_resumes_exactly_with_other_workers(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs", coloured_pairs(24))
    told = Recorder()
    result = run("clip", config(), [data], str(tmp_path / "whole"), observers=[told])
    assert [report.step for report in told.reports] == [2, 3, 4, 6]
    assert told.starts[0].datasets == {"pairs": 24}
    assert told.starts[0].samples_per_step == 8
    lines = (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 3, 4, 6]
    assert json.loads((tmp_path / "whole" / "result.json").read_text())["checkpoint"] == result.checkpoint
    assert folders.complete_steps(str(tmp_path / "whole" / "checkpoints")) == [3, 6]

    parts = tmp_path / "parts"
    run("clip", config(), [data], str(parts))
    folders.delete(str(parts / "checkpoints" / "step-00000006"))
    resumed = run("clip", config("train.workers=2"), [data], str(parts))
    assert resumed.resumed_at == 3
    one, _ = load_model(str(tmp_path / "whole"))
    other, _ = load_model(str(parts))
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_resuming_with_other_captions_is_refused(tmp_path: Path) -> None:
    one = write_pairs(tmp_path / "one", coloured_pairs(24))
    other = write_pairs(tmp_path / "other", coloured_pairs(4))
    told = Recorder()
    run("clip", config(), [one], str(tmp_path / "run"), observers=[told])
    assert any(re.search(r"a vocabulary of \d+ ids is learnt .* data\.tokenizer", note) for note in told.notes)
    with pytest.raises(ConfigError, match=r"tokenizer\.txt differs"):
        run("clip", config(), [other], str(tmp_path / "run"))


def test_samples_that_cannot_be_decoded_are_counted_in_the_result(tmp_path: Path) -> None:
    broken = Pair(b"\xff\xd8 no picture", "a broken picture")
    data = write_pairs(tmp_path / "pairs", [*coloured_pairs(15), broken])
    run("clip", config(), [data], str(tmp_path / "run"))
    skipped = json.loads((tmp_path / "run" / "result.json").read_text())["skipped"]
    assert skipped["reasons"] == {"not_an_image": 3}
    assert skipped["samples"] == 3
    assert "position" in skipped["first"][0]


@pytest.mark.parametrize("workers", [0, 2])
def test_training_goes_on_past_a_batch_without_a_sample_that_can_be_used(tmp_path: Path, workers: int) -> None:
    broken = [Pair(b"\xff\xd8 no picture", f"a broken picture, {number}") for number in range(4)]
    data = write_pairs(tmp_path / "pairs", [*coloured_pairs(2), *broken])
    changes = ("train.batch_size=2", f"train.workers={workers}", "train.log_every=1")
    whole = run("clip", config(*changes), [data], str(tmp_path / "whole"))
    lines = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert sum(line["skipped"] for line in lines) == whole.skipped.count == 8
    assert 0 in [line["samples"] for line in lines]
    assert sum(line["samples"] for line in lines) == 4
    run("clip", config(*changes), [data], str(tmp_path / "parts"))
    folders.delete(str(tmp_path / "parts" / "checkpoints" / "step-00000006"))
    assert run("clip", config(*changes), [data], str(tmp_path / "parts")).resumed_at == 3
    one, other = (load_model(str(tmp_path / name))[0].state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_all_evaluations_are_in_the_metrics_and_in_the_result_also_of_the_run_that_is_resumed(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs", [*coloured_pairs(16), *coloured_pairs(6, "validation", first=16)])
    evaluated = config("train.evaluate_every=2", "data.split='train'", "data.evaluate='validation'")
    run("clip", evaluated, [data], str(tmp_path / "run"))
    whole = json.loads((tmp_path / "run" / "result.json").read_text())
    folders.delete(str(tmp_path / "run" / "checkpoints" / "step-00000006"))
    run("clip", evaluated, [data], str(tmp_path / "run"))
    again = json.loads((tmp_path / "run" / "result.json").read_text())
    assert [found["step"] for found in again["evaluations"]] == [2, 4, 6]
    assert again["evaluations"] == whole["evaluations"]
    assert again["evaluation"] == again["evaluations"][-1]["figures"]
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    kept = {line["step"]: line["evaluation/image_retrieval_r5"] for line in lines if "evaluation/n" in line}
    assert kept == {found["step"]: found["figures"]["image_retrieval_r5"] for found in again["evaluations"]}
    assert kept.keys() == {2, 4, 6}


def test_a_window_of_steps_is_profiled(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs", coloured_pairs(16))
    run("clip", config("train.steps=3"), [data], str(tmp_path / "run"), profile=StepWindow(1, 2))
    assert [path.name for path in (tmp_path / "run" / "profile").iterdir()] == ["rank-0-steps-1-2.json"]
