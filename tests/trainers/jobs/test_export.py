"""A run's model leaves as others read it: from a folder and back again byte for byte, whatever the run was moved to."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPModel

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers import registry
from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.jobs.export import export_model
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.training.config import load_config
from corpusloom.trainers.vilbert.adapter import export
from corpusloom.trainers.vilbert.tokenizer import make_tokenizer
from tests.trainers.clip.folders import TEXTS, hf_folder
from tests.trainers.datasets import coloured_pairs, write_pairs
from tests.trainers.vilbert.folders import WORDS, bert_folder
from tests.trainers.vilbert.small import small_model

SHORT = ["train.steps=1", "train.warmup=0", "train.batch_size=4", "train.workers=0"]


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_a_run_without_an_update_gives_the_folder_back_from_wherever_it_lies(tmp_path: Path) -> None:
    folder, _ = hf_folder(tmp_path / "hf", max_shard_size="10KB")
    before = contents(tmp_path / "hf")
    data = write_pairs(tmp_path / "pairs", coloured_pairs(8))
    config = load_config("clip-tiny", [*SHORT, f"model.init={folder}", "train.lr=1e-45", "train.weight_decay=0"])
    run("clip", registry.complete(config, ()), [data], str(tmp_path / "run"))
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    shutil.rmtree(folder)
    done = export_model(str(tmp_path / "elsewhere"), "hf", str(tmp_path / "out"))
    assert contents(tmp_path / "out") == before
    assert (done.family, done.step, done.files) == ("clip", 1, tuple(sorted(before)))


def test_a_trained_clip_gives_the_same_outputs_in_transformers_and_as_open_clip(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs", coloured_pairs(8))
    vit = ["model.image.layers=2", "model.image.patch=8", "model.image.width=16", "model.image.heads=2"]
    run("clip", load_config("clip-tiny", [*SHORT, *vit]), [data], str(tmp_path / "run"))
    ours, tokenizer = load_clip(str(tmp_path / "run"))
    export_model(str(tmp_path / "run"), "hf", str(tmp_path / "hf"))
    export_model(str(tmp_path / "run"), "open_clip", str(tmp_path / "open_clip"))
    theirs = CLIPModel.from_pretrained(str(tmp_path / "hf")).eval()
    images, tokens = torch.randn(2, 3, 32, 32), torch.from_numpy(tokenizer.rows(TEXTS[:2]))
    with torch.no_grad():
        expected = ours(images, tokens)
        found = theirs(input_ids=tokens, pixel_values=images)
        again, _ = load_clip(str(tmp_path / "open_clip"))
        torch.testing.assert_close(found.image_embeds, expected.image, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found.text_embeds, expected.text, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(again(images, tokens).text, expected.text, atol=1e-5, rtol=1e-5)


def test_a_folder_of_others_goes_into_the_other_layout_and_back(tmp_path: Path) -> None:
    folder, theirs = hf_folder(tmp_path / "hf")
    assert export_model(folder, "hf", str(tmp_path / "same")).step is None
    assert contents(tmp_path / "same") == contents(tmp_path / "hf")
    export_model(folder, "open_clip", str(tmp_path / "open_clip"))
    export_model(str(tmp_path / "open_clip"), "hf", str(tmp_path / "back"))
    again = load_file(tmp_path / "back/model.safetensors")
    assert all(torch.equal(again[name], tensor) for name, tensor in theirs.state_dict().items())


def test_a_published_vilbert_goes_out_as_it_came_and_a_bert_does_not(tmp_path: Path) -> None:
    tokenizer = make_tokenizer({word: number for number, word in enumerate(WORDS)})
    export(small_model(), tokenizer, {}, "hf", str(tmp_path / "in"))
    export_model(str(tmp_path / "in"), "hf", str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(tmp_path / "in")
    with pytest.raises(ConfigError, match=r"model_type bert is not supported .supported here: clip, siglip, vilbert"):
        export_model(bert_folder(tmp_path / "bert")[0], "hf", str(tmp_path / "other"))


def test_nothing_is_read_before_the_folder_to_write_is_checked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="exists and is not empty"):
        export_model(str(tmp_path / "no-run"), "hf", str(tmp_path))
