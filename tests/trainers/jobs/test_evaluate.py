"""Evaluations by name: each family's own, on a checkpoint and a dataset, and clear errors for the others."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers import registry
from corpusloom.trainers.clip.adapter import export
from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.jobs import evaluate as evaluation
from corpusloom.trainers.jobs.export import export_model
from corpusloom.trainers.jobs.interpolate import Interpolation
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.training.config import load_config
from tests.trainers.benchmarks import write_benchmark
from tests.trainers.clip.folders import hf_folder
from tests.trainers.datasets import Pair, coloured_pairs, write_pairs
from tests.trainers.flamingo.benchmarks.folders import okvqa
from tests.trainers.ranks import run_ranks
from tests.trainers.stream.datasets import make_dataset
from tests.trainers.vilbert.region_pairs import write_regions
from tests.trainers.vilbert.test_task import config as vilbert_config

ONE_STEP = ("train.steps=1", "train.warmup=0", "train.batch_size=4", "train.workers=0")


def evaluate(kind: str, path: str, data: str, **settings: Any) -> dict[str, float]:
    """Return the figures of an evaluation with some settings."""
    return dict(evaluation.evaluate(kind, path, data, EvaluationSettings(**settings)).figures)


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


def test_outputs_of_a_benchmark_stand_beside_its_figures(flamingo: str, tmp_path: Path) -> None:
    settings = EvaluationSettings(benchmark="okvqa", shots=(0,), beams=1, limit=1)
    data = okvqa(tmp_path / "okvqa")
    evaluation.evaluate("few-shot", flamingo, data, settings, out=str(tmp_path / "found.json"))
    (row,) = json.loads((tmp_path / "found.0_shots.seed0.json").read_text())
    assert row["question_id"] == 1000
    assert json.loads((tmp_path / "found.json").read_text())["figures"]["0_shots.vqa_accuracy_n"] == 1


@pytest.mark.parametrize(("kind", "family"), [("retrieval", "clip"), ("few-shot", "flamingo")])
def test_samples_that_cannot_be_decoded_are_counted(
    kind: str, family: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    broken = Pair(b"\xff\xd8 no picture", "a broken picture")
    data = write_pairs(tmp_path / "pairs", [*coloured_pairs(6), broken])
    found = evaluation.evaluate(kind, request.getfixturevalue(family), data, EvaluationSettings(shots=(1,)))
    assert (found.figures["n"], found.figures["skipped"]) == (6, 1)
    (line,) = found.skipped
    assert line.endswith(": not_an_image")


def test_a_dataset_without_a_readable_pair_is_refused(clip: str, tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs", [Pair(b"\xff\xd8 no picture", "a broken picture")])
    with pytest.raises(InputError, match="holds no sample that can be read"):
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
    (tmp_path / "config.json").write_text('{"model_type": "siglip2"}')
    with pytest.raises(ConfigError, match="model_type siglip2 is not supported"):
        evaluate("retrieval", str(tmp_path), pairs)


def test_a_vilbert_ranks_images_by_captions(tmp_path: Path) -> None:
    data = write_regions(tmp_path / "regions", 12)
    run("vilbert", vilbert_config("train.steps=1", "train.warmup=0"), [data], str(tmp_path / "run"))
    figures = evaluate("retrieval", str(tmp_path / "run"), data, limit=5)
    assert figures["n"] == 5
    assert figures["chance"] == pytest.approx(0.2)
    assert figures["r5"] == 1.0
    export_model(str(tmp_path / "run"), "hf", str(tmp_path / "folder"))
    exported = evaluate("retrieval", str(tmp_path / "folder"), data, limit=5)
    assert exported["r1"] == figures["r1"]


def test_a_vilberts_retrieval_has_a_page_with_the_names_of_region_classes(tmp_path: Path) -> None:
    data, page = write_regions(tmp_path / "regions", 12), tmp_path / "page.html"
    run("vilbert", vilbert_config("train.steps=1", "train.warmup=0"), [data], str(tmp_path / "run"))
    names = tmp_path / "names.txt"
    names.write_text("".join(f"thing {number}\n" for number in range(12)))
    settings = EvaluationSettings(limit=5, classes=str(names))
    found = evaluation.evaluate("retrieval", str(tmp_path / "run"), data, settings, html=str(page))
    html = page.read_text()
    assert (found.figures["n"], html.count('<section class="sample"')) == (5, 5)
    assert html.count('<section class="ranking') == 5
    assert f"retrieval with {tmp_path / 'run'}, two streams" in html
    assert "thing 3" in html
    names.write_text("one\n")
    with pytest.raises(ConfigError, match="1 names, and the model has 12 region classes"):
        evaluation.evaluate("retrieval", str(tmp_path / "run"), data, settings)


def test_an_evaluation_without_a_page_refuses_one_before_it_begins(clip: str, pairs: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    with pytest.raises(ConfigError, match=r"--html: retrieval of a clip has no page .leave --html out"):
        evaluation.evaluate("retrieval", clip, pairs, EvaluationSettings(), html=str(page))
    assert not page.exists()


def test_a_flamingo_is_asked_with_as_many_shots_as_configured(flamingo: str, pairs: str) -> None:
    figures = evaluate("few-shot", flamingo, pairs, limit=4, shots=(1,))
    assert (figures["n"], figures["caption_word_f1_n"], figures["shots"]) == (4, 4, 1)
    assert figures["right_image_likelier_low"] <= figures["right_image_likelier"]
    with pytest.raises(InputError, match="4 examples per query need 5"):
        evaluate("few-shot", flamingo, pairs, limit=4)


@pytest.mark.parametrize("kind", ["few-shot", "likelihood"])
def test_an_evaluation_that_a_family_does_not_have_is_an_error_that_lists_those_there_are(
    clip: str, pairs: str, kind: str
) -> None:
    with pytest.raises(ConfigError, match=f"no {kind} evaluation of a clip") as caught:
        evaluate(kind, clip, pairs)
    assert "retrieval for vilbert" in str(caught.value)


def test_few_shot_figures_and_texts_are_those_of_each_number_of_shots_and_seed(
    flamingo: str, pairs: str, tmp_path: Path
) -> None:
    pool = write_pairs(tmp_path / "pool", coloured_pairs(3, first=40))
    out = tmp_path / "found.json"
    settings = EvaluationSettings(limit=4, shots=(0, 2), seeds=2, beams=1, pool=pool)
    figures = evaluation.evaluate("few-shot", flamingo, pairs, settings, out=str(out)).figures
    for shots in (0, 2):
        assert figures[f"{shots}_shots.caption_word_f1_n"] == 4
        assert figures[f"{shots}_shots.caption_word_f1_std_of_seeds"] >= 0
    written = json.loads(out.read_text())["predictions"]
    assert [(line["shots"], line["seed"]) for line in written[::4]] == [(0, 0), (0, 1), (2, 0), (2, 1)]
    assert len({line["key"] for line in written}) == 4
    assert {line["reference"] for line in written} <= {pair.text for pair in coloured_pairs(12)}


def test_a_flamingo_chooses_classes_after_an_ensemble_of_similar_shots(
    flamingo: str, pairs: str, tmp_path: Path
) -> None:
    names = sorted({pair.text for pair in coloured_pairs(12)})
    (tmp_path / "names.json").write_text(json.dumps(names))
    settings = EvaluationSettings(limit=3, shots=(2,), rices=True, ensemble=6, classes=str(tmp_path / "names.json"))
    found = evaluation.evaluate("few-shot", flamingo, pairs, settings)
    assert found.figures["class_top1_chance"] == pytest.approx(1 / len(names))
    assert found.figures["class_top1"] * 3 == sum(line.text == line.reference for line in found.texts)
    assert {line.text for line in found.texts} <= set(names)


@pytest.mark.parametrize(("kind", "family"), [("retrieval", "clip"), ("few-shot", "flamingo")])
def test_each_figure_of_trials_has_their_number_an_interval_and_its_value_by_chance(
    kind: str, family: str, pairs: str, request: pytest.FixtureRequest
) -> None:
    figures = evaluate(kind, request.getfixturevalue(family), pairs, shots=(1,))
    counts = {"n", "images", "chance", "skipped", "shots"}
    named = {name for name in figures if not name.endswith(("_low", "_high", "_n", "_chance"))} - counts
    assert named
    for name in named:
        assert figures[f"{name}_low"] <= figures[name] <= figures[f"{name}_high"]
        assert figures[f"{name}_n"] == 12
        assert f"{name}_chance" in figures


def killed_after(model: Any, method: str, calls: int) -> Any:
    """Make a model's method raise KeyboardInterrupt after some calls; return a function that counts them."""
    own, seen = getattr(model, method), []

    def counting(*arguments: Any) -> Any:
        if len(seen) == calls:
            raise KeyboardInterrupt
        seen.append(1)
        return own(*arguments)

    setattr(model, method, counting)
    return lambda: len(seen)


@pytest.mark.parametrize(
    ("kind", "family", "method"), [("retrieval", "clip", "encode_image"), ("few-shot", "flamingo", "encode_images")]
)
def test_a_killed_evaluation_goes_on_with_the_batches_that_are_kept_beside_its_result(
    kind: str, family: str, method: str, pairs: str, tmp_path: Path, request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path, out = request.getfixturevalue(family), tmp_path / "figures.json"
    settings = EvaluationSettings(batch_size=4, shots=(1,))
    whole = evaluation.evaluate(kind, path, pairs, settings)
    load, limits = registry.load_evaluated, [2, 100]
    counted: list[Any] = []

    def loaded(*arguments: str) -> Any:
        model, tools = load(*arguments)
        counted.append(
            killed_after(model, method, limits[len(counted)] if family == "flamingo" else 1 + 9 * len(counted))
        )
        return model, tools

    monkeypatch.setattr(registry, "load_evaluated", loaded)
    with pytest.raises(KeyboardInterrupt):
        evaluation.evaluate(kind, path, pairs, settings, out=str(out))
    assert not out.exists()
    assert [file.suffix for file in (tmp_path / "figures.json.partial").rglob("*") if file.is_file()] == [
        ".safetensors"
    ]
    again = evaluation.evaluate(kind, path, pairs, settings, out=str(out))
    assert again.reused == 1
    assert again.figures == whole.figures
    written = json.loads(out.read_text())
    assert (written["kind"], written["checkpoint"], written["data"]) == (kind, path, pairs)
    assert written["figures"] == whole.figures
    assert [file.name for file in tmp_path.iterdir()] == ["figures.json"]


def test_predictions_for_pictures_are_written_with_a_page(clip: str, tmp_path: Path) -> None:
    for number, pair in enumerate(coloured_pairs(8)):
        (tmp_path / "in" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / "ab"[number % 2] / f"{number}.jpg").write_bytes(pair.image)
    folder, out, html = str(tmp_path / "in"), tmp_path / "found.json", tmp_path / "found.html"
    settings = EvaluationSettings(images=folder)
    found = evaluation.evaluate("zero-shot", clip, folder, settings, out=str(out), html=str(html))
    written = json.loads(out.read_text())
    assert written["figures"] == found.figures
    assert written["predictions"] == [item.to_plain() for item in found.predictions]
    assert [item["image"] for item in written["predictions"]] == [
        f"{'ab'[n % 2]}/{n}.jpg" for n in (0, 2, 4, 6, 1, 3, 5, 7)
    ]
    assert html.read_text().count("data:image/jpeg") == 8


def test_embeddings_that_are_not_finite_are_an_error_that_names_the_checkpoint(
    clip: str, pairs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = registry.load_evaluated

    def broken(*arguments: str) -> Any:
        model, tools = load(*arguments)
        with torch.no_grad():
            model.get_parameter("text.projection.weight").fill_(float("nan"))
        return model, tools

    monkeypatch.setattr(registry, "load_evaluated", broken)
    with pytest.raises(InputError, match=f"{clip}: embeddings of 12 of 12 texts are not finite"):
        evaluate("retrieval", clip, pairs)


def test_batches_of_another_checkpoint_or_dataset_are_not_taken(clip: str, pairs: str, tmp_path: Path) -> None:
    out, other = str(tmp_path / "f.json"), write_pairs(tmp_path / "other", coloured_pairs(12, first=40))
    settings = EvaluationSettings()
    folders = {
        evaluation._partial_folder(out, "retrieval", path, data, EvaluationSettings(**changes))
        for path, data, changes in (
            (clip, pairs, {}), (clip, other, {}), (clip, pairs, {"precision": "bf16"}),
            (clip, pairs, {"batch_size": 2}),
        )
    }  # fmt: skip
    for alpha in (0.5, 1.0):
        folders.add(evaluation._partial_folder(out, "retrieval", clip, pairs, settings, Interpolation(clip, alpha)))
    assert len(folders) == 6
    assert evaluation._partial_folder(out, "retrieval", clip, pairs, settings) in folders
    assert evaluation._partial_folder(out, "retrieval", clip, pairs, EvaluationSettings(workers=7)) in folders


def _evaluate_all(asked: dict[str, tuple[str, str, str]]) -> dict[str, torch.Tensor]:
    """Return the figures of some evaluations, with few samples per batch, so that there are batches for each rank."""
    figures = {}
    for name, (kind, path, data) in asked.items():
        found = evaluation.evaluate(kind, path, data, EvaluationSettings(batch_size=3, shots=(1,)), device="cpu")
        figures[name] = torch.tensor([found.figures[name] for name in sorted(found.figures)], dtype=torch.float64)
    return figures


def test_figures_over_ranks_are_those_of_one_rank(clip: str, flamingo: str, pairs: str, tmp_path: Path) -> None:
    samples = [(pair.image, "jpg", number % 4) for number, pair in enumerate(coloured_pairs(10))]
    write_benchmark(str(tmp_path / "set"), samples, ["red", "green", "blue", "yellow"], ["a {c} thing"])
    pictures = tmp_path / "pictures"
    for number, pair in enumerate(coloured_pairs(20)):
        (pictures / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        (pictures / "ab"[number % 2] / f"{number:02d}.jpg").write_bytes(pair.image)
    regions = write_regions(tmp_path / "regions", 7)
    run("vilbert", vilbert_config("train.steps=1", "train.warmup=0"), [regions], str(tmp_path / "vilbert"))
    asked = {
        "classify": ("zero-shot", clip, str(tmp_path / "set")),
        "retrieve": ("retrieval", clip, pairs),
        "probe": ("linear-probe", clip, str(pictures)),
        "rank": ("retrieval", str(tmp_path / "vilbert"), regions),
        "caption": ("few-shot", flamingo, pairs),
    }
    alone = _evaluate_all(asked)
    for found in run_ranks(partial(_evaluate_all, asked), tmp_path, 2):
        for name in asked:
            torch.testing.assert_close(found[name], alone[name], rtol=1e-5, atol=1e-5)
