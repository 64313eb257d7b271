"""CLIPs come in from transformers and open_clip and go out again: same outputs, same bytes."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, CLIPModel, SiglipModel

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.clip import adapter
from corpusloom.trainers.clip.layouts.renames import renames_of
from corpusloom.trainers.clip.model import CLIP
from corpusloom.trainers.clip.task import load_clip
from corpusloom.trainers.training.hub.folders import HF, OPEN_CLIP, read_folder
from corpusloom.trainers.training.hub.renames import to_theirs
from tests.trainers.clip.folders import (
    SIGLIP_TOKENIZER,
    TEXTS,
    TOKENIZER,
    hf_folder,
    open_clip_folder,
    our_config,
    siglip_config,
    siglip_folder,
)


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(3, 3, 16, 16), torch.from_numpy(TOKENIZER.rows(TEXTS[:3]))


def assert_same(theirs: CLIPModel, ours: CLIP) -> None:
    images, tokens = inputs()
    with torch.no_grad():
        expected = theirs(input_ids=tokens, pixel_values=images)
        found = ours(images, tokens)
    torch.testing.assert_close(found.image, expected.image_embeds, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.text, expected.text_embeds, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("saving", [{}, {"max_shard_size": "10KB"}], ids=["one file", "shards"])
def test_a_folder_of_transformers_comes_in_and_goes_out_the_same(tmp_path: Path, saving: dict[str, str]) -> None:
    path, theirs = hf_folder(tmp_path / "in", **saving)
    folder = read_folder(path)
    model, tokenizer = load_clip(folder.path)
    assert_same(theirs, model)
    adapter.export(model, tokenizer, folder.origin(), HF, str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(tmp_path / "in")


def test_a_folder_of_an_old_version_keeps_position_ids_and_half_precision(tmp_path: Path) -> None:
    path, theirs = hf_folder(tmp_path / "in")
    state = {name: tensor.half() for name, tensor in theirs.state_dict().items()}
    state |= {"text_model.embeddings.position_ids": torch.arange(12)[None]}
    state |= {"vision_model.embeddings.position_ids": torch.arange(5)[None]}
    save_file(state, tmp_path / "in" / "model.safetensors", {"format": "pt"})
    folder = read_folder(path)
    model, tokenizer = load_clip(folder.path)
    assert next(model.parameters()).dtype == torch.float32
    adapter.export(model, tokenizer, folder.origin(), HF, str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(tmp_path / "in")


def test_a_model_of_ours_is_loaded_by_transformers_with_its_tokenizer(tmp_path: Path) -> None:
    model = CLIP(our_config()).eval()
    adapter.export(model, TOKENIZER, {}, HF, str(tmp_path / "out"))
    theirs, problems = CLIPModel.from_pretrained(str(tmp_path / "out"), output_loading_info=True)
    assert not any(problems.values()), problems
    assert_same(theirs.eval(), model)
    tokenizer = AutoTokenizer.from_pretrained(str(tmp_path / "out"))
    for text in (*TEXTS, "Naïve, don't!", "x <|endoftext|>x"):
        assert tokenizer("x " + text.replace("<|", "< |"))["input_ids"] == [
            TOKENIZER.start,
            *TOKENIZER.encode("x " + text.replace("<|", "< |")),
            TOKENIZER.end,
        ]
    again, read = load_clip(str(tmp_path / "out"))
    assert read.vocabulary == TOKENIZER.vocabulary
    assert_same(theirs, again)


def assert_same_siglip(theirs: SiglipModel, ours: CLIP) -> None:
    images, tokens = torch.randn(3, 3, 16, 16), torch.from_numpy(SIGLIP_TOKENIZER.rows(TEXTS[:3]))
    with torch.no_grad():
        expected = theirs(input_ids=tokens, pixel_values=images).logits_per_image
        found = ours(images, tokens)
        assert found.logit_bias is not None
        logits = found.logit_scale.exp() * found.image @ found.text.T + found.logit_bias
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def test_a_siglip_of_transformers_comes_in_and_goes_out_the_same(tmp_path: Path) -> None:
    path, theirs = siglip_folder(tmp_path / "in", max_shard_size="10KB")
    folder = read_folder(path)
    model, tokenizer = load_clip(folder.path)
    assert model.config == siglip_config()
    assert_same_siglip(theirs, model)
    adapter.export(model, tokenizer, folder.origin(), HF, str(tmp_path / "out"))
    assert contents(tmp_path / "out") == contents(tmp_path / "in")


def test_a_siglip_of_ours_is_loaded_by_transformers_with_its_tokenizer(tmp_path: Path) -> None:
    model = CLIP(siglip_config()).eval()
    adapter.export(model, SIGLIP_TOKENIZER, {}, HF, str(tmp_path / "out"))
    theirs, problems = SiglipModel.from_pretrained(str(tmp_path / "out"), output_loading_info=True)
    assert not any(problems.values()), problems
    assert_same_siglip(theirs.eval(), model)
    tokenizer = AutoTokenizer.from_pretrained(str(tmp_path / "out"))
    texts = [*TEXTS, "Naïve,  don't!", "", "number " * 20]
    found = tokenizer(texts, padding="max_length", truncation=True)["input_ids"]
    assert found == SIGLIP_TOKENIZER.rows(texts).tolist()
    again, read = load_clip(str(tmp_path / "out"))
    assert read.vocabulary == SIGLIP_TOKENIZER.vocabulary
    assert read.rows(texts).tolist() == found
    assert_same_siglip(theirs, again)


@pytest.mark.parametrize("resnet", [False, True], ids=["vit", "resnet"])
def test_a_model_of_ours_goes_through_open_clips_layout(tmp_path: Path, resnet: bool) -> None:
    model = CLIP(our_config(resnet=resnet, activation="gelu")).eval()
    adapter.export(model, TOKENIZER, {}, OPEN_CLIP, str(tmp_path / "out"))
    folder = read_folder(str(tmp_path / "out"))
    again, tokenizer = load_clip(folder.path)
    assert again.config == model.config
    assert tokenizer.vocabulary == TOKENIZER.vocabulary
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in model.state_dict().items())
    adapter.export(again, tokenizer, folder.origin(), OPEN_CLIP, str(tmp_path / "again"))
    assert contents(tmp_path / "again") == contents(tmp_path / "out")


TEXT_SHAPES: dict[str, tuple[int, ...]] = {
    "positional_embedding": (12, 16),
    "text_projection": (16, 8),
    "logit_scale": (),
    "token_embedding.weight": (TOKENIZER.vocab_size, 16),
    "ln_final.weight": (16,),
    "ln_final.bias": (16,),
}
BLOCK_SHAPES: dict[str, tuple[int, ...]] = {
    "ln_1.weight": (16,),
    "ln_1.bias": (16,),
    "attn.in_proj_weight": (48, 16),
    "attn.in_proj_bias": (48,),
    "attn.out_proj.weight": (16, 16),
    "attn.out_proj.bias": (16,),
    "ln_2.weight": (16,),
    "ln_2.bias": (16,),
    "mlp.c_fc.weight": (64, 16),
    "mlp.c_fc.bias": (64,),
    "mlp.c_proj.weight": (16, 64),
    "mlp.c_proj.bias": (16,),
}
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def open_clip_shapes() -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of open_clip's own state of a small ViT, written down from open_clip 3.3."""
    blocks = {
        f"{tower}transformer.resblocks.{number}.{name}": shape
        for tower in ("visual.", "")
        for number in range(2)
        for name, shape in BLOCK_SHAPES.items()
    }
    norms = {f"visual.{norm}.{end}": (16,) for norm in ("ln_pre", "ln_post") for end in ("weight", "bias")}
    first = {"visual.class_embedding": (16,), "visual.positional_embedding": (5, 16), "visual.proj": (16, 8)}
    return TEXT_SHAPES | blocks | norms | first | {"visual.conv1.weight": (16, 3, 8, 8)}


def resnet_names() -> set[str]:
    """Return the names of open_clip's own state of a ResNet's image tower with one block per stage."""
    stem = [f"visual.conv{n}.weight" for n in (1, 2, 3)] + [f"visual.bn{n}.{end}" for n in (1, 2, 3) for end in NORM]
    stages = []
    for head in (f"visual.layer{stage}.0." for stage in (1, 2, 3, 4)):
        stages += [f"{head}conv{n}.weight" for n in (1, 2, 3)]
        stages += [f"{head}bn{n}.{end}" for n in (1, 2, 3) for end in NORM]
        stages += [f"{head}downsample.0.weight", *(f"{head}downsample.1.{end}" for end in NORM)]
    pool = [f"visual.attnpool.{part}_proj.{end}" for part in "qkvc" for end in ("weight", "bias")]
    return {*stem, *stages, *pool, "visual.attnpool.positional_embedding"}


def test_names_and_shapes_are_those_of_open_clip(tmp_path: Path) -> None:
    vit = to_theirs(CLIP(our_config()).state_dict(), renames_of(our_config(), OPEN_CLIP))
    assert {name: tuple(tensor.shape) for name, tensor in vit.items()} == open_clip_shapes()
    resnet = to_theirs(CLIP(our_config(resnet=True)).state_dict(), renames_of(our_config(), OPEN_CLIP))
    assert {name for name in resnet if name.startswith("visual.")} == resnet_names()
    path = open_clip_folder(
        tmp_path / "in", {n: t.contiguous() + 0.5 for n, t in vit.items()} | {"attn_mask": torch.ones(2)}
    )
    model, _ = load_clip(path)
    assert torch.equal(model.image.projection.weight, vit["visual.proj"].T + 0.5)
    assert model.logit_scale.tolist() == [vit["logit_scale"] + 0.5]
    assert model.config.activation == "gelu"


@pytest.mark.parametrize("resnet", [False, True], ids=["vit", "resnet"])
def test_a_larger_image_size_is_written_into_weights_and_configuration(tmp_path: Path, resnet: bool) -> None:
    small, size = CLIP(our_config(resnet=resnet)), 64 if resnet else 32
    adapter.export(small, TOKENIZER, {}, OPEN_CLIP, str(tmp_path / "in"))
    folder = read_folder(str(tmp_path / "in"))
    image = CLIP(our_config(resnet=resnet)).config.image.__class__(
        size=size, layers=small.config.image.layers, width=small.config.image.width, heads=small.config.image.heads,
        patch=small.config.image.patch,
    )  # fmt: skip
    model = CLIP(our_config(image=image))
    adapter.load_weights(model, folder)
    adapter.export(model, TOKENIZER, folder.origin(), OPEN_CLIP, str(tmp_path / "out"))
    again, _ = load_clip(str(tmp_path / "out"))
    assert again.config.image == image
    kept = json.loads((tmp_path / "in/open_clip_config.json").read_text())
    kept["model_cfg"]["vision_cfg"]["image_size"] = size
    assert json.loads((tmp_path / "out/open_clip_config.json").read_text()) == kept


def test_what_a_layout_cannot_express_is_refused(tmp_path: Path) -> None:
    for changes, part in (({"resnet": True}, "ResNet"), ({"loss": "sigmoid"}, "model.loss = sigmoid")):
        with pytest.raises(ConfigError, match=f"CLIPModel has no {part} .*--to open_clip"):
            adapter.export(CLIP(our_config(**changes)), TOKENIZER, {}, HF, str(tmp_path / "out"))
    sigmoid = CLIP(our_config(loss="sigmoid"))
    adapter.export(sigmoid, TOKENIZER, {}, OPEN_CLIP, str(tmp_path / "sigmoid"))
    assert load_file(tmp_path / "sigmoid/open_clip_model.safetensors")["logit_bias"].shape == ()
    assert load_clip(str(tmp_path / "sigmoid"))[0].config.loss == "sigmoid"


def test_weights_of_another_model_are_refused_by_the_first_name(tmp_path: Path) -> None:
    path, theirs = hf_folder(tmp_path / "in")
    state = theirs.state_dict()
    lacking = {name: tensor for name, tensor in state.items() if name != "visual_projection.weight"}
    save_file(lacking, tmp_path / "in" / "model.safetensors")
    with pytest.raises(InputError, match=r"in: weights of another model: no visual_projection\.weight"):
        load_clip(path)
    save_file(state | {"head.weight": torch.ones(2)}, tmp_path / "in" / "model.safetensors")
    with pytest.raises(InputError, match=r"head\.weight has no place here"):
        load_clip(path)
    save_file(state | {"visual_projection.weight": torch.ones(9, 16)}, tmp_path / "in" / "model.safetensors")
    with pytest.raises(InputError, match=r"image\.projection\.weight is \(9, 16\), not \(8, 16\)"):
        load_clip(path)
