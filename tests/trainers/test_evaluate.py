"""Evaluations by name: each family's own, on a checkpoint and a dataset, and clear errors for the others."""

import json
from pathlib import Path

import pytest

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip.adapter import export
from corpusloom.trainers.clip.benchmarks import write_benchmark
from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.evaluate import FewShot, evaluate
from corpusloom.trainers.run import run
from corpusloom.trainers.training.config import load_config
from tests.trainers.clip.folders import hf_folder
from tests.trainers.datasets import Pair, coloured_pairs, write_pairs
from tests.trainers.stream.datasets import make_dataset
from tests.trainers.vilbert.region_pairs import write_regions
from tests.trainers.vilbert.test_task import config as vilbert_config

ONE_STEP = ("train.steps=1", "train.warmup=0", "train.batch_size=4", "train.workers=0")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_pairs(tmp_path_factory.mktemp("pairs"), coloured_pairs(12))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, pairs: str) -> str:
    folder = str(tmp_path_factory.mktemp("clip"))
    run("clip", load_config("clip-tiny", ONE_STEP), [pairs], folder)
    return folder


@pytest.fixture(scope="module")
def flamingo(tmp_path_factory: pytest.TempPathFactory, pairs: str, clip: str) -> str:
    folder = str(tmp_path_factory.mktemp("flamingo"))
    vision = f"model.vision.checkpoint={json.dumps(clip)}"
    run("flamingo", load_config("flamingo-tiny", [*ONE_STEP, vision]), [f"{pairs}:0.5"], folder)
    return folder


def test_a_clip_retrieves_among_as_many_pairs_as_the_limit_says(clip: str, pairs: str) -> None:
    figures = evaluate("retrieval", clip, pairs, limit=10)
    assert (figures["n"], figures["chance"]) == (10, pytest.approx(0.1))
    assert figures["image_retrieval_r1_low"] <= figures["image_retrieval_r1"] <= figures["image_retrieval_r1_high"]
    assert figures["image_retrieval_r10"] == figures["text_retrieval_r10"] == 1.0
    assert figures["image_retrieval_r1"] <= figures["image_retrieval_r5"] <= 1.0
    assert evaluate("retrieval", clip, pairs)["image_retrieval_r10"] <= 1.0


@pytest.mark.parametrize(("kind", "family"), [("retrieval", "clip"), ("few-shot", "flamingo")])
def test_samples_that_cannot_be_decoded_are_counted(
    kind: str, family: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    broken = Pair(b"\xff\xd8 no picture", "a broken picture")
    data = write_pairs(tmp_path / "pairs", [*coloured_pairs(6), broken])
    figures = evaluate(kind, request.getfixturevalue(family), data, few_shot=FewShot(shots=1))
    assert (figures["n"], figures["skipped"]) == (6, 1)


def test_a_dataset_without_a_readable_pair_is_refused(clip: str, tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs", [Pair(b"\xff\xd8 no picture", "a broken picture")])
    with pytest.raises(InputError, match="holds no pair that can be read"):
        evaluate("retrieval", clip, data)


def test_retrieval_needs_pairs(clip: str, tmp_path: Path) -> None:
    page = {"json": b'{"texts": ["a"], "images": [null]}'}
    data = make_dataset(tmp_path, "interleaved", [("0" * 32, page)], shards=1)
    with pytest.raises(ConfigError, match="retrieval needs pairs"):
        evaluate("retrieval", clip, data)


def test_a_clip_classifies_a_benchmarks_first_images(clip: str, tmp_path: Path) -> None:
    samples = [(pair.image, "jpg", number % 4) for number, pair in enumerate(coloured_pairs(8))]
    write_benchmark(str(tmp_path), samples, ["red", "green", "blue", "yellow"], ["a {c} thing"])
    figures = evaluate("zero-shot", clip, str(tmp_path), limit=6)
    assert figures["n"] == 6
    assert figures["chance"] == 0.25
    assert 0 <= figures["top1_low"] <= figures["top1"] <= figures["top1_high"] <= 1


@pytest.mark.parametrize("layout", ["hf", "open_clip"])
def test_a_clip_in_a_folder_of_others_is_evaluated(layout: str, pairs: str, tmp_path: Path) -> None:
    folder, _ = hf_folder(tmp_path / "hf")
    expected = evaluate("retrieval", folder, pairs)
    if layout == "open_clip":
        model, tokenizer = load_clip(folder)
        export(model, tokenizer, {}, layout, folder := str(tmp_path / "open_clip"))
    assert evaluate("retrieval", folder, pairs) == expected
    write_benchmark(
        str(tmp_path / "set"), [(p.image, "jpg", n % 2) for n, p in enumerate(coloured_pairs(4))], "ab", ["a {c}"]
    )
    assert evaluate("zero-shot", folder, str(tmp_path / "set"))["n"] == 4


def test_a_folder_of_another_type_is_not_evaluated(tmp_path: Path, pairs: str) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "siglip"}')
    with pytest.raises(ConfigError, match="model_type siglip is not supported"):
        evaluate("retrieval", str(tmp_path), pairs)


def test_a_vilbert_ranks_images_by_captions(tmp_path: Path) -> None:
    data = write_regions(tmp_path / "regions", 12)
    run("vilbert", vilbert_config("train.steps=1", "train.warmup=0"), [data], str(tmp_path / "run"))
    figures = evaluate("retrieval", str(tmp_path / "run"), data, limit=5)
    assert figures["n"] == 5
    assert figures["chance"] == pytest.approx(0.2)
    assert figures["r5"] == 1.0


def test_a_flamingo_is_asked_with_as_many_shots_as_configured(flamingo: str, pairs: str) -> None:
    figures = evaluate("few-shot", flamingo, pairs, limit=4, few_shot=FewShot(shots=1))
    assert (figures["n"], figures["captioned"], figures["shots"]) == (4, 4, 1)
    assert figures["right_image_likelier_low"] <= figures["right_image_likelier"]
    with pytest.raises(InputError, match="4 shots need 6"):
        evaluate("few-shot", flamingo, pairs, limit=5)


@pytest.mark.parametrize("kind", ["few-shot", "linear-probe"])
def test_an_evaluation_that_a_family_does_not_have_is_an_error_that_lists_those_there_are(
    clip: str, pairs: str, kind: str
) -> None:
    with pytest.raises(ConfigError, match=f"no {kind} evaluation of a clip") as caught:
        evaluate(kind, clip, pairs)
    assert "retrieval for vilbert" in str(caught.value)
