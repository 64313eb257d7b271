"""The evaluations of a ViLBERT by name, and the retrieval that `loom eval` calls."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.vilbert.evaluate import LIMIT, evaluations, retrieve
from tests.trainers.vilbert.region_pairs import write_regions
from tests.trainers.vilbert.retrieval.caption_files import write_karpathy, write_lines
from tests.trainers.vilbert.retrieval.test_pool import TOOLS
from tests.trainers.vilbert.small import small_model


def test_the_evaluations_are_listed_by_name() -> None:
    found = evaluations()
    assert found["retrieval"] is retrieve
    assert set(found) == {"retrieval", "vqa", "vcr", "refcoco"}


def test_without_a_file_of_captions_the_pool_is_the_first_samples(tmp_path: Path) -> None:
    data = write_regions(tmp_path / "regions", LIMIT + 10, held_out=8)
    model = small_model()
    assert retrieve(model, TOOLS, data, EvaluationSettings()).values["n"] == LIMIT
    assert retrieve(model, TOOLS, data, EvaluationSettings(limit=9)).values["n"] == 9
    assert retrieve(model, TOOLS, data, EvaluationSettings(split="val")).values["n"] == 8


def test_with_a_file_of_captions_the_pool_is_a_split_by_default_test(tmp_path: Path) -> None:
    data, model = write_regions(tmp_path / "regions", 8), small_model()
    karpathy = write_karpathy(tmp_path / "dataset.json", range(8), [5, 6, 7])
    found = retrieve(model, TOOLS, data, EvaluationSettings(annotations=(karpathy,), split="val"))
    assert (found.values["images"], found.values["n"]) == (3, 6)
    with pytest.raises(Exception, match="no image in the split 'test'"):
        retrieve(model, TOOLS, data, EvaluationSettings(annotations=(karpathy,)))
    lines = write_lines(tmp_path / "lines.jsonl", range(8))
    found = retrieve(model, TOOLS, data, EvaluationSettings(annotations=(lines,), limit=4))
    assert (found.values["images"], found.values["n"]) == (4, 8)


def test_a_folder_of_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a ViLBERT reads regions, not images"):
        retrieve(small_model(), TOOLS, "regions", EvaluationSettings(images=str(tmp_path)))
