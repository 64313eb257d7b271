"""A benchmark from its files to figures and a submission."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.flamingo.benchmarks.benchmark import benchmarks, find
from corpusloom.trainers.flamingo.benchmarks.measure import measure_benchmark
from corpusloom.trainers.flamingo.config import FlamingoDataConfig
from corpusloom.trainers.flamingo.data import FlamingoTransform
from corpusloom.trainers.flamingo.model import Flamingo
from tests.trainers.flamingo.benchmarks.folders import hatefulmemes, okvqa, table, write
from tests.trainers.flamingo.benchmarks.published import write_published
from tests.trainers.flamingo.test_data import VOCABULARY
from tests.trainers.flamingo.test_model import SHAPE, Eyes
from tests.trainers.lm.tiny import tiny

TRANSFORM = FlamingoTransform(VOCABULARY, FlamingoDataConfig(), 8, augment=False)


class Tower(Eyes):
    """Eyes whose embedding is the mean over the grid."""

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 8, 8) -> (B, 12)."""
        return self.grid(images).mean(1)


@pytest.fixture(scope="module")
def model() -> Flamingo:
    """Return a small Flamingo with a context for prompts of letters."""
    torch.manual_seed(0)
    return Flamingo(SHAPE, Tower(), tiny("gpt2", vocab_size=VOCABULARY.eoc, n_positions=512, n_layer=1)).eval()


UNPUBLISHED = ("vqav2", "vizwiz")
"""Benchmarks whose split of queries has no published answers."""
EXTRA = {"visdial": {"2_shots.mean_rank"}}
SETTINGS = EvaluationSettings(benchmark="okvqa", shots=(0, 2), seeds=2, beams=1, batch_size=2, workers=1)


def test_questions_have_figures_per_number_of_shots_and_outputs_for_a_submission(
    model: Flamingo, tmp_path: Path
) -> None:
    found = measure_benchmark(model, TRANSFORM, okvqa(tmp_path), SETTINGS)
    for shots in (0, 2):
        name = f"{shots}_shots.vqa_accuracy"
        assert {name, f"{name}_low", f"{name}_high", f"{name}_n", f"{name}_chance"} <= found.values.keys()
    assert (found.values["records"], found.values["0_shots.vqa_accuracy_n"]) == (3, 3)
    assert sorted(found.files) == [f"{shots}_shots.seed{seed}.json" for shots in (0, 2) for seed in (0, 1)]
    rows = json.loads(found.files["2_shots.seed1.json"])
    assert [row["question_id"] for row in rows] == [1000, 1010, 1020]
    assert found.notes[0].startswith("contractions are our own short table: not official")


def test_the_official_contractions_are_read_from_the_folder(model: Flamingo, tmp_path: Path) -> None:
    write(tmp_path, "contractions.json", {"dont": "don't"})
    settings = replace(SETTINGS, shots=(1,), seeds=1, limit=1)
    assert measure_benchmark(model, TRANSFORM, okvqa(tmp_path), settings).notes == ()


def test_a_split_without_answers_gives_outputs_alone(model: Flamingo, tmp_path: Path) -> None:
    (Path(okvqa(tmp_path)) / "mscoco_val2014_annotations.json").unlink()
    found = measure_benchmark(model, TRANSFORM, str(tmp_path), replace(SETTINGS, shots=(1,), seeds=1))
    assert found.values == {"records": 3.0, "skipped": 0.0}
    assert len(json.loads(found.files["1_shots.seed0.json"])) == 3
    assert "no figures" in found.notes[0]


def test_a_split_without_answers_is_refused_if_no_outputs_are_kept(model: Flamingo, tmp_path: Path) -> None:
    (Path(okvqa(tmp_path)) / "mscoco_val2014_annotations.json").unlink()
    with pytest.raises(InputError, match=r"the answers of the split val2014 are not there: no figures \(.* --out FILE"):
        measure_benchmark(model, TRANSFORM, str(tmp_path), replace(SETTINGS, writes=False))


def test_a_record_without_an_answer_is_left_out_of_the_figures_alone(model: Flamingo, tmp_path: Path) -> None:
    data = hatefulmemes(tmp_path)
    path = tmp_path / "test_seen.jsonl"
    first, *rest = [json.loads(line) for line in path.read_text().splitlines()]
    del first["label"]
    path.write_text("".join(json.dumps(row) + "\n" for row in (first, *rest)))
    found = measure_benchmark(model, TRANSFORM, data, replace(SETTINGS, benchmark="hatefulmemes", shots=(0,), seeds=1))
    assert (found.values["0_shots.auc_n"], found.values["records"]) == (3, 4)
    assert len(found.files["0_shots.seed0.csv"].splitlines()) == 5
    assert found.notes == ("1 of 4 records have no answer: they are not in the figures",)


@pytest.mark.parametrize("name", benchmarks())
def test_every_benchmark_is_measured_from_its_published_files(name: str, model: Flamingo, tmp_path: Path) -> None:
    shots = (0,) if find(name).support is None else (2,)
    settings = replace(SETTINGS, benchmark=name, shots=shots, seeds=1)
    found = measure_benchmark(model, TRANSFORM, write_published(name, tmp_path), settings)
    assert found.skipped == ()
    figures = {key.removesuffix("_n") for key in found.values if key.endswith("_n")}
    metric = {"choice_top1": "top1"}.get(find(name).metric, find(name).metric)
    assert figures == ({f"{shots[0]}_shots.{metric}"} if name not in UNPUBLISHED else set()) | EXTRA.get(name, set())
    assert [len(content) > 0 for content in found.files.values()] == [True]


@pytest.mark.parametrize("rices", [False, True])
def test_candidates_are_scored_also_with_similar_shots(rices: bool, model: Flamingo, tmp_path: Path) -> None:
    settings = replace(SETTINGS, benchmark="hatefulmemes", shots=(0, 2), seeds=1, rices=rices)
    found = measure_benchmark(model, TRANSFORM, hatefulmemes(tmp_path), settings)
    assert (found.values["2_shots.auc_n"], found.values["2_shots.auc_chance"]) == (4, 0.5)
    assert len(found.files["0_shots.seed0.csv"].splitlines()) == 5


def test_a_record_whose_image_is_absent_is_skipped_and_named(model: Flamingo, tmp_path: Path) -> None:
    (Path(okvqa(tmp_path)) / "val2014/COCO_val2014_000000000101.jpg").unlink()
    found = measure_benchmark(model, TRANSFORM, str(tmp_path), replace(SETTINGS, shots=(1,), seeds=1))
    assert found.skipped == (f"1010: missing_media: no file {tmp_path}/val2014/COCO_val2014_000000000101.jpg",)
    assert (found.values["records"], found.values["skipped"]) == (2, 1)
    assert [row["question_id"] for row in json.loads(found.files["1_shots.seed0.json"])] == [1000, 1020]


def test_more_shots_than_the_support_split_has_are_refused(model: Flamingo, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train2014: holds 3 samples \(4 examples per query need 4\)"):
        measure_benchmark(model, TRANSFORM, okvqa(tmp_path), replace(SETTINGS, shots=(4,)))


def test_shots_of_a_benchmark_without_examples_are_refused(model: Flamingo, tmp_path: Path) -> None:
    row = {"id": 1, "video_id": "v", "start": 0, "end": 1, "class_id": 0, "verb": "cut", "noun": "egg", "annotation": 1}
    write(tmp_path, "rareact.csv", table([row]))
    with pytest.raises(ConfigError, match="no split of examples"):
        measure_benchmark(model, TRANSFORM, str(tmp_path), replace(SETTINGS, benchmark="rareact"))
