"""A CLIP begins with the weights of a whole model or of a tower; a locked tower stays as it was."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.checkpoints import folders
from corpusloom.trainers.clip.adapter import export
from corpusloom.trainers.clip.config import model_config
from corpusloom.trainers.clip.initial import build_model, complete, frozen_parts, initial_model, read_source, sources_of
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.task import build_task, load_clip
from corpusloom.trainers.jobs.train import run
from corpusloom.trainers.training.config import RunConfig, load_config
from corpusloom.trainers.training.step import prepare_run
from tests.trainers.clip.folders import TOKENIZER, hf_folder, our_config, siglip_folder
from tests.trainers.datasets import coloured_pairs, write_pairs
from tests.trainers.saved_weights import saved_weights

SMALL = (
    "train.steps=2", "train.warmup=0", "train.batch_size=4", "train.precision=fp32", "train.workers=0",
    "model.text.vocab_size=600", "model.text.context=12", "model.text.layers=1", "model.text.width=16",
    "model.text.heads=2",
)  # fmt: skip
UNLOCKED = 'train.groups={"image.*"={freeze=true}, "image.blocks.1.*"={freeze=false}, "image.ln_post.*"={freeze=false}}'


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_pairs(tmp_path_factory.mktemp("pairs"), coloured_pairs(12))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a folder of transformers' CLIPModel."""
    return hf_folder(tmp_path_factory.mktemp("clip") / "hf")[0]


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a folder of transformers' SiglipModel."""
    return siglip_folder(tmp_path_factory.mktemp("siglip") / "hf")[0]


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory, data: str) -> str:
    """Return a run of a CLIP with a ResNet, after one step."""
    out = str(tmp_path_factory.mktemp("resnet"))
    small = ["train.steps=1", "train.warmup=0", "train.batch_size=4", "train.workers=0", "model.image.layers=[1, 1]"]
    run("clip", load_config("clip-tiny", small), [data], out)
    return out


def lit(source: str, *assignments: str) -> RunConfig:
    given = [f"model.image.init={source}", *assignments]
    return complete(load_config("clip-lit", [*SMALL, *given]), {text.partition("=")[0] for text in given})


def weights_of(path: str) -> dict[str, torch.Tensor]:
    return read_source(path).load().state_dict()


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], prefix: str = "") -> None:
    names = [name for name in expected if name.startswith(prefix)]
    assert names
    for name in names:
        assert torch.equal(found[name], expected[name]), name


@pytest.mark.parametrize("source", ["clip", "resnet", "siglip"])
def test_a_locked_tower_keeps_weights_and_statistics_and_stays_out_of_checkpoints(
    source: str, request: pytest.FixtureRequest, tmp_path: Path, data: str
) -> None:
    path = request.getfixturevalue(source)
    config = lit(path)
    shape = model_config(config)
    assert shape.embed_dim == read_source(path).shape["embed_dim"]
    assert shape.text.layers == 1
    result = run("clip", config, [data], str(tmp_path / "run"))
    saved = saved_weights(result.checkpoint or "")
    assert {name.split(".")[0] for name in saved} == {"text", "logit_scale"}
    assert list(folders.read_commit(result.checkpoint or "")["frozen"]) == ["model.image.init"]
    model, _ = load_clip(str(tmp_path / "run"))
    assert_same(model.state_dict(), weights_of(path), "image.")


def test_a_locked_tower_is_in_evaluation_mode_and_keeps_no_activations(resnet: str, data: str) -> None:
    config = lit(resnet)
    task = build_task(config, {"x": (data, 1.0)})
    run = prepare_run(task, config.train, config.parallel, torch.device("cpu"))
    run.update(0)
    assert not any(module.training for module in run.model.image.modules() if list(module.parameters()))
    found = run.model(torch.zeros(2, 3, 32, 32), torch.zeros(2, 12, dtype=torch.int64))
    assert found.image.grad_fn is None
    assert found.text.grad_fn is not None
    assert all(parameter.grad is None for parameter in run.model.image.parameters())


def test_the_last_blocks_of_a_locked_tower_train_and_stand_in_checkpoints(clip: str, tmp_path: Path, data: str) -> None:
    result = run("clip", lit(clip, UNLOCKED), [data], str(tmp_path / "run"))
    saved = saved_weights(result.checkpoint or "")
    blocks = {name.split(".")[2] for name in saved if name.startswith("image.blocks")}
    assert blocks == {"1"}
    found, before = load_clip(str(tmp_path / "run"))[0].state_dict(), weights_of(clip)
    assert_same(found, before, "image.blocks.0.")
    assert not torch.equal(found["image.blocks.1.fc.weight"], before["image.blocks.1.fc.weight"])


def test_a_locked_tower_that_moved_is_found_by_an_assignment(clip: str, tmp_path: Path, data: str) -> None:
    folder = str(shutil.copytree(clip, tmp_path / "tower"))
    run("clip", lit(folder), [data], str(tmp_path / "run"))
    moved = shutil.move(folder, tmp_path / "moved")
    with pytest.raises(InputError, match=r"frozen part model\.image\.init is not there .*--set"):
        load_clip(str(tmp_path / "run"))
    model, _ = load_clip(str(tmp_path / "run"), f"model.image.init={moved}")
    assert_same(model.state_dict(), weights_of(clip), "image.")
    with pytest.raises(InputError, match=r"model\.image\.init: .*is not there"):
        run("clip", lit(folder), [data], str(tmp_path / "run"))


def test_a_text_tower_brings_its_vocabulary_and_its_projection_if_that_fits(clip: str, resnet: str, data: str) -> None:
    config = lit(resnet, f"model.text.init={clip}", "model.activation=quick_gelu")
    assert model_config(config).embed_dim == 64
    task = build_task(config, {"x": (data, 1.0)})
    assert task.attachments["tokenizer.txt"] == TOKENIZER.to_bytes()
    found, theirs = task.model.state_dict(), weights_of(clip)
    assert_same(found, theirs, "text.blocks.")
    assert found["text.projection.weight"].shape == (64, 16)
    same = lit(clip, f"model.text.init={clip}")
    assert_same(initial_model(same, sources_of(same)).state_dict(), theirs, "text.")


def test_a_whole_model_comes_from_a_run(resnet: str, data: str) -> None:
    config = complete(load_config("clip-finetune", [*SMALL[:5], f"model.init={resnet}"]), {"model.init"})
    task = build_task(config, {"x": (data, 1.0)})
    assert_same(task.model.state_dict(), load_clip(resnet)[0].state_dict())
    assert task.attachments["tokenizer.txt"] == folders.read_attachment(folders.find(resnet), "tokenizer.txt")


def test_a_run_resumes_after_the_folder_that_it_began_from_is_gone(clip: str, tmp_path: Path, data: str) -> None:
    folder = str(shutil.copytree(clip, tmp_path / "hf"))
    given = [*SMALL[:5], f"model.init={folder}", "train.checkpoint_every=1"]
    whole = run("clip", complete(load_config("clip-finetune", given), {"model.init"}), [data], str(tmp_path / "run"))
    kept = saved_weights(whole.checkpoint or ""), folders.read_commit(whole.checkpoint or "")["files"]
    folders.delete(whole.checkpoint or "")
    shutil.rmtree(folder)
    begun = folders.latest(str(tmp_path / "run" / "checkpoints"))
    again = complete(load_config("clip-finetune", given), {"model.init"}, begun)
    result = run("clip", again, [data], str(tmp_path / "run"))
    assert result.resumed_at == 1
    assert_same(saved_weights(result.checkpoint or ""), kept[0])
    assert folders.read_commit(result.checkpoint or "")["files"] == kept[1]
    with pytest.raises(InputError, match=r"model\.init: is not there"):
        run("clip", again, [data], str(tmp_path / "another"))


def test_only_a_tower_that_is_frozen_is_named_in_checkpoints(clip: str) -> None:
    assert frozen_parts(lit(clip)) == {"model.image.init": clip}
    assert frozen_parts(lit(clip, UNLOCKED)) == {"model.image.init": clip}
    assert frozen_parts(lit(clip, "train.groups={}")) == {}
    fresh, trained = (
        build_model(lit(clip, f"train.groups={groups}")) for groups in ("{}", '{"image.*"={freeze=true}}')
    )
    assert_same(trained.state_dict(), weights_of(clip), "image.")
    assert not torch.equal(fresh.image.ln_pre.weight, trained.image.ln_pre.weight)


@pytest.mark.parametrize("name", ["clip-lit", "clip-finetune"])
def test_random_weights_are_neither_locked_nor_decayed_by_layers(name: str, data: str) -> None:
    remedy = r"image\..* (is frozen|is of a group with layer_decay), and its weights are random .*model\.init=FOLDER"
    with pytest.raises(ConfigError, match=remedy):
        build_task(load_config(name), {"x": (data, 1.0)})


def test_sources_that_do_not_go_together_are_refused(clip: str, resnet: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"init is given for the model and for a tower"):
        lit(clip, f"model.init={clip}")
    export(CLIP(our_config(activation="gelu")), TOKENIZER, {}, "open_clip", str(tmp_path / "gelu"))
    with pytest.raises(
        ConfigError, match=r"model\.text\.init: activation is 'gelu' there, and 'quick_gelu' in the image"
    ):
        lit(clip, f"model.text.init={tmp_path / 'gelu'}")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("model.image.layers=3", r"model\.image\.init: model\.image\.layers is 3, and 2 in .*leave"),
        ("model.image.layers=[1, 1]", r"model\.image\.layers is \[1, 1\], and 2 in"),
        ("model.embed_dim=9", r"model\.embed_dim is 9, and 8 in"),
    ],
)
def test_a_shape_that_contradicts_the_tower_is_refused(clip: str, assignment: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        lit(clip, assignment)


def test_a_checkpoint_of_another_family_is_no_source(tmp_path: Path, data: str) -> None:
    from tests.trainers.vilbert.region_pairs import write_regions

    small: list[Any] = ["train.steps=1", "train.warmup=0", "train.batch_size=2", "data.regions=8", "train.workers=0"]
    small += ["model.feature_width=10", "model.class_count=12", "model.layers=1", "model.v_layers=1"]
    small += ["model.v_connections=[0]", "model.t_connections=[0]"]
    write_regions(tmp_path / "regions", 4)
    run("vilbert", load_config("vilbert-tiny", small), [str(tmp_path / "regions")], str(tmp_path / "run"))
    for read in (lit, load_clip):
        with pytest.raises(InputError, match="a checkpoint of a vilbert, not of a CLIP"):
            read(str(tmp_path / "run"))
