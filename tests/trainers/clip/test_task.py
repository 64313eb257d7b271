"""CLIP trained on a dataset: it learns, is evaluated, and is loaded from its checkpoint."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import SiglipModel

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.clip.adapter import export
from corpusloom.trainers.clip.config import model_config
from corpusloom.trainers.clip.data import evaluation_image
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.task import build_task, complete, load_clip, score_note
from corpusloom.trainers.clip.tokens.byte_pairs import ClipTokenizer
from corpusloom.trainers.clip.zero_shot.class_embeddings import class_embeddings
from corpusloom.trainers.jobs.evaluate import evaluate
from corpusloom.trainers.jobs.export import export_model
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.config import RunConfig, load_config
from tests.trainers.benchmarks import write_benchmark
from tests.trainers.clip.folders import TOKENIZER, hf_folder, our_config, siglip_config, siglip_folder
from tests.trainers.clip.small import zero_shot_figures
from tests.trainers.datasets import coloured_pairs, write_pairs
from tests.trainers.stream.reading.test_scored_rows import scored_dataset

CLASSES = [f"{colour} {shape}" for shape in ("square", "disc") for colour in ("red", "green", "blue", "yellow")]


def config(*assignments: str) -> RunConfig:
    small = ["train.steps=60", "train.warmup=5", "train.batch_size=32", "model.image.layers=[1, 1]"]
    return load_config("clip-tiny", [*small, *assignments])


def test_a_clip_learns_to_classify_images_that_it_has_not_seen(tmp_path: Path) -> None:
    pairs = [*coloured_pairs(160), *coloured_pairs(40, "val", first=160)]
    data = write_pairs(tmp_path / "pairs", pairs)
    samples = [(pair.image, "jpg", number % 8) for number, pair in enumerate(coloured_pairs(16, first=200))]
    write_benchmark(str(tmp_path / "set"), samples, CLASSES, ["a {c}"])
    chosen = ('data.split="train"', 'data.evaluate="val"', f'data.zero_shot={{shapes = "{tmp_path / "set"}"}}')
    best = 'train.keep_best="zero_shot.shapes.top1:max"'
    result = run("clip", config(*chosen, best), [data], str(tmp_path / "run"))
    assert set(result.evaluation) >= {"image_retrieval_r1", "text_retrieval_r10"}
    assert result.evaluation["zero_shot.shapes.top1"] > result.evaluation["zero_shot.shapes.top1_chance"]
    assert (tmp_path / "run" / "checkpoints" / "best.json").exists()
    model, tokenizer = load_clip(str(tmp_path / "run"))
    held_out = coloured_pairs(80, first=1000)
    images = torch.stack([torch.from_numpy(evaluation_image(pair.image, 32)) for pair in held_out])
    labels = torch.tensor([number % 8 for number in range(1000, 1080)])
    weights = class_embeddings(model, tokenizer, CLASSES, ["a {c}, number 1", "a {c}, number 2"])
    with torch.no_grad():
        figures = zero_shot_figures(model.encode_image(images), labels, weights)
    assert figures["top1_low"] > 2 * figures["chance"]


def test_a_batch_has_images_tokens_and_keys(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs", coloured_pairs(12))
    task = build_task(config("train.batch_size=5"), {"pairs": (data, 1.0)})
    batch = next(task.stream)
    assert batch["image"].shape == (5, 3, 32, 32)
    assert batch["tokens"].shape == (5, 8)
    assert len(batch["keys"]) == 5
    assert task.attachments["tokenizer.txt"].startswith(b"#version")


def test_two_datasets_are_mixed_by_weight(tmp_path: Path) -> None:
    one = write_pairs(tmp_path / "one", coloured_pairs(8))
    two = write_pairs(tmp_path / "two", coloured_pairs(8, first=8))
    task = build_task(config("train.batch_size=40"), {"one": (one, 3.0), "two": (two, 1.0)})
    keys = next(task.stream)["keys"]
    own = {line for line in keys if keys.count(line) > 2}
    assert len(keys) == 40
    assert own


def write_captions(tmp_path: Path) -> str:
    return write_pairs(tmp_path / "pairs", coloured_pairs(12))


SHORT = ["train.steps=2", "train.warmup=0", "train.batch_size=4", "train.lr=1e-3"]


def test_a_run_from_a_folder_takes_shape_weights_and_tokenizer(tmp_path: Path) -> None:
    folder, theirs = hf_folder(tmp_path / "hf")
    plain = load_config("clip-tiny", [*SHORT, f"model.init={folder}", "train.lr=1e-30"])
    ready = complete(plain, {"model.init"})
    assert model_config(ready) == replace(our_config(init=folder), text=replace(our_config().text, trim=True))
    result = run("clip", ready, [write_captions(tmp_path)], str(tmp_path / "run"))
    shutil.rmtree(folder)  # a checkpoint needs the folder no more
    model, tokenizer = load_clip(str(tmp_path / "run"))
    assert tokenizer.vocabulary == TOKENIZER.vocabulary
    torch.testing.assert_close(
        model.text.positions, theirs.text_model.embeddings.position_embedding.weight, atol=1e-6, rtol=0
    )
    attachments = folders.read_commit(result.checkpoint or "")["files"]
    assert {"origin.hf.config.json", "origin.hf.model.safetensors.header", "tokenizer.txt"} <= set(attachments)


def test_a_siglip_is_tuned_from_a_folder_evaluated_and_written_back(tmp_path: Path) -> None:
    folder, _ = siglip_folder(tmp_path / "hf")
    ready = complete(load_config("clip-tiny", [*SHORT, f"model.init={folder}"]), {"model.init"})
    assert model_config(ready) == siglip_config(init=folder)
    data = write_captions(tmp_path)
    run("clip", ready, [data], str(tmp_path / "run"))
    assert 0 <= evaluate("retrieval", folder, data).figures["image_retrieval_r1"] <= 1
    export_model(str(tmp_path / "run"), "hf", str(tmp_path / "out"))
    ours, tokenizer = load_clip(str(tmp_path / "run"))
    theirs = SiglipModel.from_pretrained(str(tmp_path / "out")).eval()
    images, rows = torch.randn(2, 3, 16, 16), torch.from_numpy(tokenizer.rows(["a red square", "a disc"]))
    with torch.no_grad():
        expected, found = theirs(input_ids=rows, pixel_values=images), ours(images, rows)
    torch.testing.assert_close(found.image, expected.image_embeds, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.text, expected.text_embeds, atol=1e-5, rtol=0)
    assert not torch.equal(
        found.text, SiglipModel.from_pretrained(folder).eval()(input_ids=rows, pixel_values=images)[2]
    )


def test_a_larger_image_size_that_is_typed_stays(tmp_path: Path) -> None:
    folder, theirs = hf_folder(tmp_path / "hf")
    ready = complete(
        load_config("clip-tiny", [*SHORT, f"model.init={folder}", "model.image.size=32"]), ["model.image.size"]
    )
    model = build_task(ready, {"x": (write_captions(tmp_path), 1.0)}).model
    assert isinstance(model, CLIP)
    assert model.image.positions.shape == (17, 16)
    own = theirs.vision_model.embeddings.position_embedding.weight
    assert torch.equal(model.image.positions[0], own[0])


@pytest.mark.parametrize("layout", ["hf", "open_clip"])
def test_pretrained_weights_without_their_vocabulary_are_refused(tmp_path: Path, layout: str) -> None:
    folder, _ = hf_folder(tmp_path / "hf", tokenizer=False)
    if layout == "open_clip":
        export(CLIP(our_config()), TOKENIZER, {}, "open_clip", folder := str(tmp_path / "open"))
        for name in ("tokenizer.json", "merges.txt"):
            (tmp_path / "open" / name).unlink()
    ready = complete(load_config("clip-tiny", [*SHORT, f"model.init={folder}"]), ())
    with pytest.raises(ConfigError, match=r"^data\.tokenizer: .*has no vocabulary.*learnt anew does not fit"):
        build_task(ready, {"x": (write_captions(tmp_path), 1.0)})
    (tmp_path / "vocabulary.txt").write_bytes(TOKENIZER.to_bytes())
    given = load_config("clip-tiny", [*SHORT, f"model.init={folder}", f"data.tokenizer={tmp_path / 'vocabulary.txt'}"])
    task = build_task(complete(given, ()), {"x": (write_captions(tmp_path / "again"), 1.0)})
    assert task.attachments["tokenizer.txt"] == TOKENIZER.to_bytes()


def test_another_vocabulary_than_that_of_the_weights_is_refused(tmp_path: Path) -> None:
    folder, _ = hf_folder(tmp_path / "hf")
    (tmp_path / "other.txt").write_bytes(ClipTokenizer(TOKENIZER.merges[:3]).to_bytes())
    given = [*SHORT, f"model.init={folder}", f"data.tokenizer={tmp_path / 'other.txt'}"]
    with pytest.raises(ConfigError, match=r"other\.txt is not the vocabulary in .*leave data\.tokenizer out"):
        build_task(complete(load_config("clip-tiny", given), ()), {"x": (write_captions(tmp_path), 1.0)})


def test_a_tokenizer_with_more_ids_than_embeddings_is_refused(tmp_path: Path) -> None:
    folder, _ = hf_folder(tmp_path / "hf")
    config = json.loads((tmp_path / "hf/config.json").read_text())
    config["text_config"]["vocab_size"] = 500
    (tmp_path / "hf/config.json").write_text(json.dumps(config))
    with pytest.raises(
        ConfigError, match=rf"the tokenizer has {TOKENIZER.vocab_size} ids, model.text.vocab_size is 500"
    ):
        load_clip(folder)


def test_a_folder_without_a_tokenizer_is_not_evaluated(tmp_path: Path) -> None:
    folder, _ = hf_folder(tmp_path / "hf", tokenizer=False)
    with pytest.raises(InputError, match=r"no tokenizer .*bpe_simple_vocab_16e6"):
        load_clip(folder)


def test_an_unknown_key_of_the_model_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean image\.patch_dropout"):
        build_task(config("model.image.patch_dropuot=0.5"), {"x": (str(tmp_path), 1.0)})


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_a_step_of_one_pair_is_refused_before_the_data_are_read(tmp_path: Path, loss: str) -> None:
    one = load_config("clip-tiny", ["train.batch_size=1", "train.accumulate=4", f"model.loss={loss}"])
    with pytest.raises(ConfigError, match=r"clip-tiny: train\.batch_size is 1 on one rank.*give 2 or more"):
        build_task(one, {"x": (str(tmp_path), 1.0)})


def test_one_pair_per_rank_is_enough_on_two_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "data_ranks", lambda: 2)
    assert (
        len(next(build_task(config("train.batch_size=1"), {"x": (write_captions(tmp_path), 1.0)}).stream)["keys"]) == 1
    )


def test_a_dataset_of_fewer_pairs_than_ranks_gives_each_rank_a_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_pairs(tmp_path / "pairs", coloured_pairs(1))
    monkeypatch.setattr(distributed, "data_ranks", lambda: 3)
    for rank in range(3):
        monkeypatch.setattr(distributed, "data_rank", lambda rank=rank: rank)
        assert len(next(build_task(config("train.batch_size=1"), {"x": (data, 1.0)}).stream)["keys"]) == 1


def test_a_split_to_evaluate_on_that_is_not_there_is_refused_before_training(tmp_path: Path) -> None:
    data = {"x": (write_captions(tmp_path), 1.0)}
    with pytest.raises(InputError, match=r"holds no sample .*split 'vall'"):
        build_task(load_config("clip-tiny", ["data.evaluate=vall"]), data)
    notes = build_task(load_config("clip-tiny", ["data.evaluate=train"]), data).notes
    assert any("trained on" in note for note in notes)


def test_a_zero_shot_set_that_is_missing_is_refused_before_training(tmp_path: Path) -> None:
    data = write_captions(tmp_path)
    with pytest.raises(InputError, match="nowhere"):
        build_task(config('data.zero_shot={x = "nowhere"}'), {"pairs": (data, 1.0)})


def test_a_note_counts_the_pairs_that_a_least_score_leaves_out(tmp_path: Path) -> None:
    data, _ = scored_dataset(tmp_path)
    stream = StreamingDataset(data, min_score=0.55, rank=0, world_size=1)
    (note,) = score_note(0.55, stream)
    assert note == "trains on 13 pairs: data.min_clip_score = 0.55 and data.split leave out 7"
    assert list(score_note(None, stream)) == []
