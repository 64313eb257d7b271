"""Flamingo as a task: it trains on pages and pairs, resumes bit for bit, and keeps its frozen parts."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from corpusloom.schemas.errors import ConfigError, DamageError, InputError
from corpusloom.trainers.checkpoints.folders import find
from corpusloom.trainers.evaluation.batches import EvaluationSettings
from corpusloom.trainers.flamingo.task import (
    build_model,
    build_objective,
    build_task,
    evaluation_transform,
    frozen_parts,
    load_evaluated,
    load_vocabulary,
)
from corpusloom.trainers.jobs.dry_run import dry_run
from corpusloom.trainers.jobs.evaluate import evaluate
from corpusloom.trainers.jobs.train import parse_datasets, run
from corpusloom.trainers.stream.batches.joint import JointBatches
from corpusloom.trainers.training.checkpoint import load_model
from corpusloom.trainers.training.config import RunConfig, load_config
from tests.trainers.datasets import coloured_pairs, write_pairs
from tests.trainers.flamingo.test_data import jpeg, page
from tests.trainers.saved_weights import saved_weights
from tests.trainers.stream.datasets import make_dataset


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a CLIP of the shape of clip-tiny, after one step."""
    folder = tmp_path_factory.mktemp("clip")
    data = write_pairs(folder / "pairs", coloured_pairs(8))
    run(
        "clip", load_config("clip-tiny", ["train.steps=1", "train.warmup=0", "train.batch_size=4"]), [data], str(folder)
    )
    return str(folder)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return NAME=DATASET:SHARE of a data set of pages and one of pairs."""
    folder = tmp_path_factory.mktemp("data")
    pages = []
    for number in range(6):
        sample = page(2)
        names = [f"{at:03d}.png" if image else None for at, image in enumerate(sample.images)]
        body = json.dumps({"texts": sample.texts, "images": names}).encode()
        images = {name: image for name, image in zip(names, sample.images, strict=True) if name and image}
        pages.append((f"{number:032x}", {**images, "json": body}))
    make_dataset(folder / "pages", "interleaved", pages, shards=1)
    write_pairs(folder / "pairs", coloured_pairs(8))
    return [f"m3w={folder}/pages", f"align={folder}/pairs:1.5"]


def config(clip: str | None, *assignments: str) -> RunConfig:
    small = ["train.steps=4", "train.warmup=1", "train.batch_size=2", "train.checkpoint_every=2"]
    vision = [f"model.vision.checkpoint={json.dumps(clip)}"] if clip else []
    return load_config("flamingo-tiny", [*small, *vision, "train.threads=1", "train.workers=0", *assignments])


def test_a_resumed_run_ends_with_the_same_weights_and_frozen_parts_do_not_change(
    clip: str, datasets: list[str], tmp_path: Path
) -> None:
    whole = run("flamingo", config(clip), datasets, str(tmp_path / "run"))
    assert whole.checkpoint is not None
    assert whole.report is not None
    assert {"m3w/nats_per_token", "align/nats_per_sequence"} <= whole.report.metrics.keys()
    first = saved_weights(whole.checkpoint)
    shutil.rmtree(whole.checkpoint)
    again = run("flamingo", config(clip), datasets, str(tmp_path / "run"))
    assert again.resumed_at == 2
    second = saved_weights(again.checkpoint or "")
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert {name.partition(".")[0] for name in first} == {"resampler", "gated", "end_of_chunk"}
    fresh = build_model(config(clip)).state_dict()
    loaded = load_model(str(tmp_path / "run"), build_model)[0].state_dict()
    for name, value in loaded.items():
        assert torch.equal(value, first.get(name, fresh[name])), name
    assert not torch.equal(first["end_of_chunk"], fresh["end_of_chunk"])


def test_a_vision_encoder_that_moved_or_changed_is_refused_until_it_is_assigned(
    clip: str, datasets: list[str], tmp_path: Path
) -> None:
    shutil.copytree(clip, tmp_path / "clip")
    run("flamingo", config(str(tmp_path / "clip"), "train.steps=2"), datasets, str(tmp_path / "run"))
    (tmp_path / "clip").rename(tmp_path / "moved")
    with pytest.raises(InputError, match=r"the frozen part model\.vision\.checkpoint is not there.*--set"):
        load_model(str(tmp_path / "run"), build_model)
    with pytest.raises(InputError, match=r"the frozen part model\.vision\.checkpoint is not there.*--set"):
        run("flamingo", config(str(tmp_path / "clip"), "train.steps=4"), datasets, str(tmp_path / "run"))
    load_model(str(tmp_path / "run"), build_model, [f"model.vision.checkpoint={tmp_path / 'moved'}"])
    assert load_evaluated(str(tmp_path / "run"), f"model.vision.checkpoint={tmp_path / 'moved'}")[0].vision is not None
    data = write_pairs(tmp_path / "pairs", coloured_pairs(8))
    run(
        "clip",
        load_config("clip-tiny", ["train.steps=2", "train.warmup=0", "train.batch_size=4"]),
        [data],
        str(tmp_path / "moved"),
    )
    again = config(str(tmp_path / "moved"), "train.steps=4")
    with pytest.raises(DamageError, match=r"frozen part model\.vision\.checkpoint differs"):
        run("flamingo", again, datasets, str(tmp_path / "run"))


def test_a_step_has_one_batch_per_data_set_as_large_as_its_share_of_the_samples(clip: str, datasets: list[str]) -> None:
    task = build_task(config(clip), parse_datasets(datasets))
    assert isinstance(task.stream, JointBatches)
    batch = next(task.stream)
    assert {name: len(part["keys"]) for name, part in batch.items()} == {"m3w": 2, "align": 3}


def test_the_vision_encoder_is_the_checkpoints_image_tower(clip: str) -> None:
    model = build_model(config(clip))
    trained = saved_weights(find(clip))
    own = model.vision.state_dict()
    assert all(torch.equal(value, trained[f"image.{name}"].view_as(value)) for name, value in own.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.lambdas={x=1.0}", "no dataset 'x', and m3w, align has no factor.*--data x=PATH"),
        ("data.lambdas.m3w=0.0", "m3w is 0.0.*above 0"),
    ],
)
def test_a_lambda_of_another_dataset_or_of_nothing_is_refused(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_objective(config("RUN", change), ["m3w", "align"])


def test_a_configuration_with_factors_of_more_datasets_trains_on_any_of_them(
    clip: str, datasets: list[str], tmp_path: Path
) -> None:
    published = "data.lambdas={m3w=1.0,align=0.2,ltip=0.2,vtp=0.03}"
    alone = run("flamingo", config(clip, published, "train.steps=2"), datasets[1:], str(tmp_path))
    assert alone.report is not None
    assert set(alone.report.metrics) == {"align/nats_per_token", "align/nats_per_sequence"}


def test_in_a_round_robin_each_step_has_one_dataset_and_a_resumed_run_ends_with_the_same_weights(
    clip: str, datasets: list[str], tmp_path: Path
) -> None:
    turns = config(clip, 'data.mixing="round_robin"', "train.log_every=1", "train.steps=3", "train.accumulate=2")
    whole = run("flamingo", turns, datasets, str(tmp_path))
    assert whole.checkpoint is not None
    first = saved_weights(whole.checkpoint)
    shutil.rmtree(whole.checkpoint)
    again = run("flamingo", turns, datasets, str(tmp_path))
    assert again.resumed_at == 2
    second = saved_weights(again.checkpoint or "")
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    named = {row["step"]: {name for name in ("m3w", "align") if f"{name}/nats_per_token" in str(row)} for row in rows}
    assert named == {1: {"m3w"}, 2: {"align"}, 3: {"m3w"}}
    samples = {row["step"]: row["samples"] for row in rows}
    assert samples == {1: 4, 2: 6, 3: 4}


def test_a_round_robin_is_planned_with_one_dataset_per_step() -> None:
    one, two = (
        dry_run(config(None, f'data.mixing="{mixing}"'), datasets=["m3w", "align"])["flops_per_step"]
        for mixing in ("round_robin", "accumulate")
    )
    assert two == pytest.approx(2 * one, rel=0.01)


def test_a_run_without_a_vision_encoder_is_refused(datasets: list[str]) -> None:
    with pytest.raises(ConfigError, match="the vision encoder would have random weights"):
        build_task(config(None), {"pairs": (datasets[1], 1.0)})


def test_the_end_of_chunk_is_the_id_after_the_language_models(clip: str) -> None:
    model = build_model(config(clip))
    assert load_vocabulary(config(clip), model.eoc).eoc == 1024 == model.eoc


def test_a_checkpoint_is_evaluated_with_its_own_tokenizer_and_without_augmentation(
    clip: str, datasets: list[str], tmp_path: Path
) -> None:
    run("flamingo", config(clip, "train.steps=2"), datasets, str(tmp_path))
    model = build_model(config(clip))
    transform = evaluation_transform(str(tmp_path), config(clip), model)
    assert not transform.augment
    assert transform.vocabulary.eoc == 1024
    assert transform.vocabulary.ids("a red star") == load_vocabulary(config(clip), 1024).ids("a red star")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("data.tokens=300", r"data\.tokens is 300, the language model has 256 positions"),
        ("data.pair_tokens=257", r"data\.pair_tokens is 257, the language model has 256 positions"),
        ("data.size=40", r"data\.size is 40, the vision encoder takes multiples of 32 pixels a side"),
        ("model.language.weights=off", "no language model"),
        ("model.language={shape={model_type='gpt2'}}", "the language model would have random weights"),
        ("model.language={weights='bundled',dtype='int8'}", r'dtype is "int8" and parallel\.shard is 2'),
    ],
)
def test_what_does_not_fit_is_refused_before_any_data_with_its_key_and_both_values(
    assignment: str, message: str
) -> None:
    shard = ["parallel.shard=2"] if "int8" in assignment else []
    wrong = config("no/such/run", assignment, *shard)
    if "size" in assignment:
        wrong = load_config("flamingo-tiny", [assignment])
    with pytest.raises(ConfigError, match=message):
        build_model(wrong) if "size" in assignment else build_task(wrong, {"pairs": ("no/such/dataset", 1.0)})


def test_frozen_parts_are_named_by_their_keys_and_paths(clip: str) -> None:
    found = frozen_parts(config(clip))
    assert found["model.vision.checkpoint"] == clip
    assert Path(found["model.language.weights"], "model.safetensors").is_file()
    assert frozen_parts(load_config("flamingo-3b")) == {}


def test_clips_are_trained_on_beside_pages_and_evaluated_with_more_frames(
    tmp_path: Path, clip: str, datasets: list[str]
) -> None:
    clips = [
        (f"{number:032x}", {**{f"{at:03d}.png": jpeg(20 * (number + at)) for at in range(6)}, "txt": b"a red star"})
        for number in range(6)
    ]
    make_dataset(tmp_path / "vtp", "clips", clips, shards=1)
    changes = ("model.frames=4", "data.evaluation_frames=6", "train.steps=1", "train.warmup=0")
    task = build_task(config(clip, *changes), parse_datasets([*datasets[:1], f"vtp={tmp_path}/vtp"]))
    batch = next(iter(task.stream))
    assert batch["vtp"]["images"].shape[:3] == (2, 1, 4)
    assert batch["m3w"]["images"].shape[2] == 1
    out = str(tmp_path / "run")
    result = run("flamingo", config(clip, *changes), [*datasets[:1], f"vtp={tmp_path}/vtp"], out)
    assert result.report is not None
    assert result.report.metrics["vtp/nats_per_token"] > 0
    figures = evaluate("few-shot", out, f"{tmp_path}/vtp", EvaluationSettings(shots=(1,))).figures
    assert figures["caption_word_f1_n"] == 6
